//! The stages one by one: what is understood, what is refused and with which words, what is generated.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::ctxt::Ctxt;
use crate::model::{AlternativeKind, Constant, Container, Direction, Kind, Member, Role};
use crate::{attr, check, decode, encode, expand, fallback};

fn parse(declaration: TokenStream) -> DeriveInput {
    syn::parse2(declaration).unwrap()
}

/// The model of a declaration without mistakes.
fn model(declaration: TokenStream) -> Container {
    let ctxt = Ctxt::new();
    let container = Container::from_input(&ctxt, &parse(declaration));
    check::check(&ctxt, &container);
    ctxt.finish().unwrap();
    container
}

fn members(declaration: TokenStream) -> Vec<Member> {
    match model(declaration).kind {
        Kind::Nest(members) => members,
        _ => panic!("not a struct of attributes"),
    }
}

/// Every message about a declaration with mistakes.
fn mistakes(declaration: TokenStream) -> Vec<String> {
    let ctxt = Ctxt::new();
    check::check(&ctxt, &Container::from_input(&ctxt, &parse(declaration)));
    let errors = ctxt.finish().unwrap_err();
    let file: syn::File = syn::parse2(errors).unwrap();
    file.items
        .iter()
        .map(|item| match item {
            syn::Item::Macro(error) => error.mac.parse_body::<syn::LitStr>().unwrap().value(),
            _ => panic!("only `compile_error!`s are expected"),
        })
        .collect()
}

mod model_of {
    use super::*;

    #[test]
    fn an_attribute() {
        let members = members(quote! {
            struct Nest {
                /// What it is.
                ///
                /// More of it.
                #[nla(CTA_MARK, receive_only, since = "6.14")]
                mark: Option<u32>,
            }
        });
        let [mark] = members.as_slice() else { panic!() };
        assert!(matches!(&mark.role, Role::Attribute(constant) if constant.name() == "CTA_MARK"));
        assert_eq!((mark.name(), mark.doc.as_str()), ("mark".to_owned(), "What it is.\n\nMore of it."));
        assert!(mark.direction == Direction::Receive);
        assert_eq!(mark.since.as_ref().map(syn::LitStr::value).as_deref(), Some("6.14"));
    }

    #[test]
    fn every_role() {
        let members = members(quote! {
            struct Nest {
                #[nla(A as u8, path::to::B as u16)] either: Either,
                #[nla(C, repeated)] repeated: Vec<u8>,
                #[nla(D..=E)] indexed: Vec<u8>,
                #[nla(flatten)] flat: Flat,
                #[nla(rest)] rest: Vec<RawAttribute>,
            }
        });
        let roles: Vec<String> = members
            .iter()
            .map(|member| {
                let role = match member.role {
                    Role::Attribute(_) => "attribute",
                    Role::Either(_) => "either",
                    Role::Repeated(_) => "repeated",
                    Role::Indexed { .. } => "indexed",
                    Role::Flatten => "flatten",
                    Role::Rest => "rest",
                };
                let numbers = member.numbers();
                let names: Vec<_> = numbers.iter().flat_map(|run| run.constants()).map(Constant::name).collect();
                format!("{role} {}", names.join(" "))
            })
            .collect();
        assert_eq!(roles, ["either A B", "repeated C", "indexed D E", "flatten ", "rest "]);
    }

    #[test]
    fn tuple_fields_and_raw_names() {
        let members = members(quote!(
            struct Nest(#[nla(A)] u8, #[nla(B)] u16);
        ));
        assert_eq!(members.iter().map(Member::name).collect::<Vec<_>>(), ["0", "1"]);
        let members = super::members(quote!(
            struct Nest {
                #[nla(A)]
                r#type: u8,
            }
        ));
        assert_eq!(members[0].name(), "type");
    }

    #[test]
    fn a_choice() {
        let container = model(quote! {
            #[nla(pad(P), crate = somewhere::else_)]
            enum Choice {
                #[nla(A)] One(u8),
                Group { #[nla(B)] first: u8, #[nla(C)] second: Option<u8> },
                #[nla(other)] Other(RawAttribute),
            }
        });
        let Kind::Choice(alternatives) = &container.kind else { panic!() };
        assert!(matches!(&alternatives[0].kind, AlternativeKind::Attribute { constant, .. } if constant.name() == "A"));
        assert!(matches!(&alternatives[1].kind, AlternativeKind::Group(members) if members.len() == 2));
        assert!(matches!(&alternatives[2].kind, AlternativeKind::Other(_)));
        let names: Vec<_> = container.constants().map(Constant::name).collect();
        assert_eq!(names, ["A", "B", "C", "P"]);
        let locals: Vec<_> = container.constants().map(|constant| constant.local.to_string()).collect();
        assert_eq!(locals, ["__T0", "__T1", "__T2", "__T3"], "each is bound to a name of its own");
        let krate = &container.krate;
        assert_eq!(quote!(#krate).to_string(), "somewhere :: else_");
    }

    #[test]
    fn whole_structs() {
        assert!(matches!(
            model(quote!(
                #[nla(transparent)]
                struct Mine(pub u32);
            ))
            .kind,
            Kind::Transparent(_)
        ));
        assert!(matches!(
            model(quote!(
                #[nla(layout)]
                struct Mine {
                    a: u8,
                }
            ))
            .kind,
            Kind::Layout(_)
        ));
        let quoted = model(quote!(
            #[nla(crate = "a::b")]
            struct Empty {}
        ))
        .krate;
        assert_eq!(quote!(#quoted).to_string(), "a :: b");
    }
}

mod words {
    use super::*;

    #[test]
    fn one_message_for_one_mistake() {
        assert_eq!(
            mistakes(quote!(
                struct Nest {
                    mark: u32,
                }
            ))
            .len(),
            1
        );
        assert_eq!(
            mistakes(quote!(
                struct Nest {
                    #[nla]
                    mark: u32,
                }
            )),
            ["expected a list: `#[nla(…)]`"]
        );
        assert_eq!(
            mistakes(quote!(
                struct Nest {
                    #[nla(flaten)]
                    mark: u32,
                }
            ))
            .len(),
            1
        );
        assert_eq!(
            mistakes(quote!(
                enum Choice {
                    #[nla(oter)]
                    Other(RawAttribute),
                }
            ))
            .len(),
            1
        );
    }

    #[test]
    fn all_mistakes_at_once() {
        let found = mistakes(quote! {
            struct Nest {
                silent: u8,
                #[nla(A, speling)] spelling: u8,
                #[nla(B)] first: u8,
                #[nla(B)] second: u8,
                #[nla(C, flatten)] both: u8,
            }
        });
        assert_eq!(found.len(), 4, "{found:#?}");
    }

    #[test]
    fn a_constant_is_its_whole_path() {
        // Two modules may each have a `MARK`; if their numbers are one, the compiler finds it.
        assert_eq!(
            members(quote!(
                struct Nest {
                    #[nla(a::MARK)]
                    a: u8,
                    #[nla(b::MARK)]
                    b: u8,
                }
            ))
            .len(),
            2
        );
        assert_eq!(
            mistakes(quote!(
                struct Nest {
                    #[nla(a::MARK)]
                    a: u8,
                    #[nla(a::MARK)]
                    b: u8,
                }
            ))
            .len(),
            1
        );
    }

    #[test]
    fn keys_that_a_variant_has_no_use_for() {
        for key in [quote!(send_only), quote!(receive_only), quote!(repeated)] {
            let found = mistakes(quote!(
                enum Choice {
                    #[nla(A, #key)]
                    One(u8),
                }
            ));
            assert!(found[0].starts_with("a variant is"), "{key}: {found:?}");
        }
    }

    #[test]
    fn versions_of_kernels() {
        let declared = |version: &str| {
            quote!(
                struct Nest {
                    #[nla(A, since = #version)]
                    a: u8,
                }
            )
        };
        for version in ["6.14", "5.8", "2.6.39", "10.0"] {
            model(declared(version));
        }
        for other in ["banana", "", "6", "6.", ".1", "6.1.", "6.1.2.3", "v6.1", "6.1-rc2", "6. 1", "6.1000", "-6.1"] {
            assert_eq!(mistakes(declared(other)), ["expected the version of a kernel, such as `\"6.14\"`"], "{other}");
        }
    }

    #[test]
    fn documentation_is_kept_as_it_reads() {
        let input = parse(quote! {
            /// First line.
            ///
            /// ```text
            ///   indented
            /// ```
            struct Nest {}
        });
        assert_eq!(attr::doc(&input.attrs), "First line.\n\n```text\n  indented\n```");
    }

    #[test]
    #[should_panic(expected = "never reported")]
    fn mistakes_cannot_be_forgotten() {
        let ctxt = Ctxt::new();
        ctxt.error(quote!(x), "forgotten");
        drop(ctxt);
    }
}

/// Both impls, as rustfmt would print them.
fn expansion(declaration: TokenStream) -> String {
    let input = parse(declaration);
    let both = [expand(&input, encode::expand, fallback::encode), expand(&input, decode::expand, fallback::decode)];
    prettyplease::unparse(&syn::parse2(both.into_iter().collect()).unwrap())
}

macro_rules! snapshots {
    ($($name:ident: { $($declaration:tt)* })*) => {
        /// What is generated, to be read when it changes.
        mod generates {
            use super::*;

            $(#[test]
            fn $name() {
                insta::assert_snapshot!(expansion(quote!($($declaration)*)));
            })*
        }
    };
}

snapshots! {
    nest: {
        /// Two attributes.
        struct Nest {
            /// Required.
            #[nla(CTA_ID)]
            id: FlowId,
            /// Optional.
            #[nla(CTA_MARK, since = "6.14")]
            mark: Option<u32>,
        }
    }
    choice: {
        enum Choice {
            #[nla(CTA_TUPLE_ORIG)]
            Single(Tuple),
            Group {
                #[nla(CTA_PROTO_SRC_PORT)]
                src: u16,
                #[nla(CTA_IP_V4_SRC as Ipv4Addr, CTA_IP_V6_SRC as Ipv6Addr)]
                address: Option<IpAddr>,
            },
            #[nla(other)]
            Other(RawAttribute),
        }
    }
    lists: {
        #[nla(pad(PAD), crate = renamed)]
        struct Lists {
            #[nla(ELEMENT, repeated)]
            repeated: Vec<Element>,
            #[nla(FIRST..=LAST)]
            indexed: Vec<Element>,
            #[nla(flatten)]
            flat: Option<Flat>,
            #[nla(SENT, send_only)]
            sent: Option<u8>,
            #[nla(RECEIVED, receive_only)]
            received: Option<u8>,
            #[nla(rest)]
            rest: Vec<RawAttribute>,
        }
    }
    second_place: {
        struct Event {
            #[nla(CTA_STATUS)]
            status: Status,
            #[nla(CTA_ID, also_before = CTA_STATUS)]
            id: FlowId,
        }
    }
    transparent: {
        #[nla(transparent)]
        struct Seconds(pub u32);
    }
    layout: {
        #[nla(layout)]
        struct TcpFlags { flags: u8, mask: u8 }
    }
    mistake: {
        struct Nest { mark: u32 }
    }
}
