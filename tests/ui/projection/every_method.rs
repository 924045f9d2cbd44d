//! Every method that decodes into a struct of the caller's compares it with the message.

use conntrack::events::Inbox;
use conntrack::{Conntrack, Decode, Error, Events, Filter, FlowKey, Groups};

macro_rules! projections {
    ($($name:ident)*) => {$(
        #[derive(Debug, Decode)]
        struct $name {
            #[nla(CTA_EXPECT_MASTER)]
            number: u8,
        }
    )*};
}

projections! { A B C D E F G H I J K L M }

async fn tokio(ct: conntrack::tokio::Conntrack) -> Result<(), Error> {
    drop(ct.dump_as::<A>().await?);
    drop(ct.dump_filtered_as::<B>(&Filter::all()).await?);
    drop(ct.dump_parallel_as::<C>(&Filter::all()).await?);
    Ok(())
}

fn main() -> Result<(), Error> {
    let ct = Conntrack::open()?;
    let key = FlowKey::from(conntrack::Tuple::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into()));
    drop(ct.dump_as::<D>()?);
    drop(ct.dump_filtered_as::<E>(&Filter::all())?);
    drop(ct.dump_parallel_as::<F>(&Filter::all())?);
    drop(ct.get_as::<G>(&key)?);
    drop(ct.get_zeroing_as::<H>(&key)?);
    drop(ct.dump_zeroing_filtered_as::<I>(&Filter::all())?);
    drop(ct.expectations_as::<J>()?);
    drop(Events::subscribe_as::<K>(Groups::FLOWS)?);
    drop(Events::builder().subscribe_as::<L>()?);
    drop(Inbox::new(Filter::all()).take::<M>());
    drop(Box::pin(tokio(ct.into())) as std::pin::Pin<Box<dyn Future<Output = Result<(), Error>>>>);
    Ok(())
}
