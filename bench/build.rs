//! Looks for `libnetfilter_conntrack`: it takes part where it is installed.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(libnetfilter_conntrack)");
    if pkg_config::Config::new().atleast_version("1.0.9").probe("libnetfilter_conntrack").is_ok() {
        println!("cargo::rustc-cfg=libnetfilter_conntrack");
    }
}
