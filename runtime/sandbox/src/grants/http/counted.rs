//! The state of `wasi:http` for host functions that count the memory that they make the host keep.

use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::HeaderResult;
use wasmtime_wasi_http::p2::bindings::http::types::{HeaderError, Host as _};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{FieldMap, WasiHttpCtxView};

use crate::host_memory::HostMemory;

pub(crate) struct CountedHttp<'a> {
    pub(crate) view: WasiHttpCtxView<'a>,
    pub(crate) memory: &'a mut HostMemory,
}

impl CountedHttp<'_> {
    /// Charges these fields their present size.
    pub(super) fn count_fields(&mut self, number: u32) -> wasmtime::Result<()> {
        let fields = self.view.table.get(&Resource::<FieldMap>::new_borrow(number))?;
        self.memory.count_fields(number, fields);
        Ok(())
    }

    /// The guest's result. A trap is an error of the call.
    pub(super) fn for_guest<T>(&mut self, result: HeaderResult<T>) -> wasmtime::Result<Result<T, HeaderError>> {
        match result {
            Ok(done) => Ok(Ok(done)),
            Err(error) => Ok(Err(self.view.convert_header_error(error)?)),
        }
    }

    /// Charges this request its present size.
    pub(super) fn count_request(&mut self, number: u32) -> wasmtime::Result<()> {
        let request = self.view.table.get(&Resource::<HostOutgoingRequest>::new_borrow(number))?;
        self.memory.count_request(number, request);
        Ok(())
    }
}
