//! Traffic for the sandbox.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conntrack::sandbox::Failure;

/// How often each client asks.
const PAUSE: Duration = Duration::from_millis(20);
/// Protocol and address of a server, bytes of a question and of its answer.
const SERVICES: [(Transport, &str, usize, usize); 9] = [
    (Transport::Tcp, "127.0.1.10:443", 600, 40_000),
    (Transport::Tcp, "127.0.1.10:443", 600, 9_000),
    (Transport::Tcp, "127.0.1.20:5432", 2_000, 7_000),
    (Transport::Tcp, "127.0.1.30:22", 64, 96),
    (Transport::Tcp, "[::1]:8080", 20_000, 300),
    (Transport::Udp, "127.0.1.53:53", 40, 130),
    (Transport::Udp, "127.0.1.40:51820", 1_300, 1_300),
    (Transport::Udp, "[::1]:123", 48, 48),
    (Transport::Udp, "127.0.1.50:443", 80, 1_200),
];

#[derive(Clone, Copy)]
enum Transport {
    Tcp,
    Udp,
}

/// Clients of some services on loopback, which ask and are answered until this is dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    stop: Option<Sender<()>>,
    worker: Option<JoinHandle<io::Result<()>>>,
}

impl Traffic {
    /// Starts it, in the calling thread's network namespace: when this returns, each client has been answered once.
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut clients = Vec::new();
        for (transport, server, question, answer) in SERVICES {
            let ends = Ends::connect(transport, server.parse()?)?;
            clients.push(Client { ends, question: vec![b'?'; question], answer: vec![b'!'; answer] });
        }
        clients.iter_mut().try_for_each(Client::ask)?;
        let (stop, stopped) = channel();
        let worker = thread::Builder::new().spawn(move || {
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                clients.iter_mut().try_for_each(Client::ask)?;
            }
            Ok(())
        })?;
        Ok(Self { stop: Some(stop), worker: Some(worker) })
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(Ok(Err(error))) = self.worker.take().map(JoinHandle::join) {
            super::note(format_args!("the traffic ended early: {error}"));
        }
    }
}

struct Client {
    ends: Ends,
    question: Vec<u8>,
    answer: Vec<u8>,
}

enum Ends {
    Tcp { client: TcpStream, server: TcpStream },
    Udp { client: UdpSocket, server: UdpSocket },
}

impl Ends {
    fn connect(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        let any_port = if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        Ok(match transport {
            Transport::Tcp => {
                let listener = TcpListener::bind(address)?;
                let client = TcpStream::connect(address)?;
                Self::Tcp { client, server: listener.accept()?.0 }
            }
            Transport::Udp => {
                let (client, server) = (UdpSocket::bind(any_port)?, UdpSocket::bind(address)?);
                client.connect(address)?;
                server.connect(client.local_addr()?)?;
                Self::Udp { client, server }
            }
        })
    }
}

impl Client {
    /// Asks and is answered. Both fit the sockets' buffers, so that one thread can be both ends.
    fn ask(&mut self) -> io::Result<()> {
        let Self { ends, question, answer } = self;
        match ends {
            Ends::Tcp { client, server } => {
                client.write_all(question)?;
                server.read_exact(question)?;
                server.write_all(answer)?;
                client.read_exact(answer)
            }
            Ends::Udp { client, server } => {
                client.send(question)?;
                server.recv(question)?;
                server.send(answer)?;
                client.recv(answer).map(drop)
            }
        }
    }
}
