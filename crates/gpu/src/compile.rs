//! Compiling kernels by NVRTC, which is looked for at run time, and keeping what came
//! out in files named by source and architecture.

use crate::sources::Module;
use cudarc::nvrtc::{result, sys};
use std::ffi::{CStr, CString};

/// Why a module could not be compiled.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CompileError {
    /// There is no NVRTC on this machine.
    #[error("libnvrtc is not found: install CUDA's NVRTC, or set LD_LIBRARY_PATH to its folder")]
    NoCompiler,
    /// NVRTC refused the source.
    #[error("NVRTC does not compile kernels {module} for {architecture}: {log}")]
    Refused {
        /// The module.
        module: String,
        /// What for.
        architecture: String,
        /// What NVRTC says.
        log: String,
    },
}

/// Whether this machine has NVRTC.
pub fn has_compiler() -> bool {
    // SAFETY: it only looks for the library; loading NVRTC runs no code of ours.
    unsafe { sys::is_culib_present() }
}

/// Compiles a module to machine code for a compute capability: 90 for 9.0.
///
/// # Errors
/// [`CompileError`] if there is no NVRTC or it refuses.
pub fn compile(module: Module, capability: u32) -> Result<Vec<u8>, CompileError> {
    if !has_compiler() {
        return Err(CompileError::NoCompiler);
    }
    let architecture = format!("sm_{capability}");
    let refused = |log: String| CompileError::Refused {
        module: module.name(),
        architecture: architecture.clone(),
        log,
    };
    let text = |text: String| CString::new(text).map_err(|error| refused(error.to_string()));
    let source = text(module.source())?;
    let name = text(format!("{}.cu", module.name()))?;
    let program = result::create_program(&source, Some(&name));
    let program = Program(program.map_err(|error| refused(format!("{error:?}")))?);
    let options = [
        format!("--gpu-architecture={architecture}"),
        "--std=c++17".to_owned(),
        // Every file has the whole of what is common.
        "--diag-suppress=177".to_owned(),
    ];
    // SAFETY: the program was made above and is destroyed when `program` is dropped.
    if let Err(error) = unsafe { result::compile_program(program.0, &options) } {
        return Err(refused(format!("{error:?}: {}", program.log())));
    }
    program.machine_code().map_err(|error| refused(format!("{error:?}")))
}

/// A program of NVRTC; destroyed when dropped.
struct Program(sys::nvrtcProgram);

impl Program {
    fn log(&self) -> String {
        // SAFETY: the program is there until `self` is dropped.
        let Ok(log) = (unsafe { result::get_program_log(self.0) }) else { return String::new() };
        let bytes: Vec<u8> = log.iter().map(|letter| letter.to_ne_bytes()[0]).collect();
        let text = CStr::from_bytes_until_nul(&bytes);
        text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn machine_code(&self) -> Result<Vec<u8>, result::NvrtcError> {
        let mut bytes = 0;
        // SAFETY: the program is there, and `bytes` is written before this returns.
        unsafe { sys::nvrtcGetCUBINSize(self.0, &raw mut bytes) }.result()?;
        let mut code = vec![0u8; bytes];
        // SAFETY: the program is there, and `code` has the bytes that were asked for.
        unsafe { sys::nvrtcGetCUBIN(self.0, code.as_mut_ptr().cast()) }.result()?;
        Ok(code)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the program was made by `create_program` and is destroyed once.
        let destroyed = unsafe { result::destroy_program(self.0) };
        if let Err(error) = destroyed {
            tracing::warn!(?error, "NVRTC keeps a program");
        }
    }
}
