//! Compiles the kernels for this CPU.

fn main() {
    let kernels = "../../kernels";
    println!("cargo:rerun-if-changed={kernels}");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .flag_if_supported("-Wno-unknown-pragmas")
        .file(format!("{kernels}/host.cpp"))
        .compile("vicinal_kernels_host");
}
