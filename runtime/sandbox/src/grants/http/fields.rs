//! Counts `fields`: wasmtime-wasi-http bounds each header section ([`MAX_HTTP_FIELDS_BYTES`](crate::limits::MAX_HTTP_FIELDS_BYTES)) and
//! not the number of sections. The crate's own functions do the work; these functions charge each handle its size. A clone shares its
//! text with its original until one of them changes, and is charged in full.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{HeaderError, HostFields};

use super::counted::CountedHttp;
use super::names::TYPES;
use crate::state::GuestState;

type Fields = Resource<FieldMap>;
type Store<'a> = StoreContextMut<'a, GuestState>;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.resource("fields", ResourceType::host::<FieldMap>(), drop_fields)?;
    types.func_wrap("[constructor]fields", new)?;
    types.func_wrap("[static]fields.from-list", from_list)?;
    types.func_wrap("[method]fields.set", set)?;
    types.func_wrap("[method]fields.delete", delete)?;
    types.func_wrap("[method]fields.append", append)?;
    types.func_wrap("[method]fields.clone", clone)
}

fn drop_fields(mut store: Store<'_>, number: u32) -> wasmtime::Result<()> {
    let mut http = store.data_mut().counted_http();
    HostFields::drop(&mut http.view, Fields::new_own(number))?;
    http.memory.take(number);
    Ok(())
}

fn new(mut store: Store<'_>, (): ()) -> wasmtime::Result<(Fields,)> {
    let mut http = store.data_mut().counted_http();
    let fields = HostFields::new(&mut http.view)?;
    http.count_fields(fields.rep())?;
    Ok((fields,))
}

fn from_list(
    mut store: Store<'_>,
    (entries,): (Vec<(String, Vec<u8>)>,),
) -> wasmtime::Result<(Result<Fields, HeaderError>,)> {
    let mut http = store.data_mut().counted_http();
    let made = http.view.from_list(entries);
    let made = http.for_guest(made)?;
    if let Ok(fields) = &made {
        http.count_fields(fields.rep())?;
    }
    Ok((made,))
}

fn set(
    mut store: Store<'_>,
    (fields, name, values): (Fields, String, Vec<Vec<u8>>),
) -> wasmtime::Result<(Result<(), HeaderError>,)> {
    let number = fields.rep();
    let mut http = store.data_mut().counted_http();
    let done = HostFields::set(&mut http.view, fields, name, values);
    let done = http.for_guest(done)?;
    http.count_fields(number)?;
    Ok((done,))
}

fn delete(mut store: Store<'_>, (fields, name): (Fields, String)) -> wasmtime::Result<(Result<(), HeaderError>,)> {
    let number = fields.rep();
    let mut http = store.data_mut().counted_http();
    let done = HostFields::delete(&mut http.view, fields, name);
    let done = http.for_guest(done)?;
    http.count_fields(number)?;
    Ok((done,))
}

/// Counts only the new field, because guests call this once for each field.
fn append(
    mut store: Store<'_>,
    (fields, name, value): (Fields, String, Vec<u8>),
) -> wasmtime::Result<(Result<(), HeaderError>,)> {
    let (number, name_bytes, value_bytes) = (fields.rep(), name.len(), value.len());
    let mut http = store.data_mut().counted_http();
    let done = HostFields::append(&mut http.view, fields, name, value);
    let done = http.for_guest(done)?;
    if done.is_ok() {
        let CountedHttp { view, memory } = http;
        let fields = view.table.get(&Fields::new_borrow(number))?;
        memory.count_appended(number, fields, name_bytes, value_bytes);
    }
    Ok((done,))
}

fn clone(mut store: Store<'_>, (fields,): (Fields,)) -> wasmtime::Result<(Fields,)> {
    let mut http = store.data_mut().counted_http();
    let clone = HostFields::clone(&mut http.view, fields)?;
    http.count_fields(clone.rep())?;
    Ok((clone,))
}
