//! Links the grant `keyvalue`: `wasi:keyvalue` over the [`KeyValues`](crate::KeyValues) of the call.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

use crate::changes::{Changes, Refused};
use crate::limits::{HOST_CALL_BYTES, MAX_BATCH_KEYS};
use crate::state::GuestState;

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/keyvalue.wit",
        world: "imports",
        imports: { default: trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => super::Error },
    });
}

use bindings::wasi::keyvalue::store::{self, KeyResponse};
use bindings::wasi::keyvalue::{atomics, batch};

/// An open bucket. There is one space, so a bucket has no data.
#[expect(unreachable_pub, reason = "the bindings want it public")]
pub struct Bucket;

/// A guest's error, or a trap that ends its call.
#[expect(unreachable_pub, reason = "the bindings want it public")]
pub enum Error {
    NoSuchStore,
    Refused(Refused),
    Table(ResourceTableError),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<ResourceTableError> for Error {
    fn from(error: ResourceTableError) -> Self {
        Self::Table(error)
    }
}

/// The parts of a call's state that the host functions need.
struct View<'a> {
    changes: &'a mut Changes,
    table: &'a mut ResourceTable,
}

struct CallView;

impl HasData for CallView {
    type Data<'a> = View<'a>;
}

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, CallView>(linker, view)?;
    atomics::add_to_linker::<_, CallView>(linker, view)?;
    batch::add_to_linker::<_, CallView>(linker, view)
}

fn view(state: &mut GuestState) -> View<'_> {
    let (changes, table) = state.key_values();
    View { changes, table }
}

impl store::Host for View<'_> {
    /// The wasmtime CLI calls its one store by the empty name, and other hosts call theirs `default`.
    fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Error> {
        match identifier.as_str() {
            "" | "default" => Ok(self.table.push(Bucket)?),
            _ => Err(Error::NoSuchStore),
        }
    }

    fn convert_error(&mut self, error: Error) -> wasmtime::Result<store::Error> {
        match error {
            Error::NoSuchStore => Ok(store::Error::NoSuchStore),
            Error::Refused(refused) => Ok(store::Error::Other(refused.to_string())),
            Error::Table(error) => Err(error.into()),
        }
    }
}

impl View<'_> {
    /// Refuses an invalid handle, which is the guest's mistake.
    fn check(&self, bucket: &Resource<Bucket>) -> Result<(), Error> {
        self.table.get(bucket)?;
        Ok(())
    }

    /// Bounds a batch. It costs the guest one host call, whatever it costs the host.
    fn check_batch(&self, bucket: &Resource<Bucket>, keys: usize) -> Result<(), Error> {
        self.check(bucket)?;
        if keys > MAX_BATCH_KEYS {
            return Err(Refused::TooMany { what: "keys", max: MAX_BATCH_KEYS }.into());
        }
        Ok(())
    }
}

impl store::HostBucket for View<'_> {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        self.check(&bucket)?;
        Ok(self.changes.get(&key)?)
    }

    fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.check(&bucket)?;
        Ok(self.changes.set(key, value)?)
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Error> {
        self.check(&bucket)?;
        Ok(self.changes.delete(key)?)
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Error> {
        self.check(&bucket)?;
        Ok(self.changes.exists(&key)?)
    }

    fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Result<KeyResponse, Error> {
        self.check(&bucket)?;
        let (keys, cursor) = self.changes.keys(cursor)?;
        Ok(KeyResponse { keys, cursor })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for View<'_> {
    fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Result<u64, Error> {
        self.check(&bucket)?;
        Ok(self.changes.add(key, delta)?)
    }
}

impl batch::Host for View<'_> {
    fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Error> {
        self.check_batch(&bucket, keys.len())?;
        let mut pairs = Vec::with_capacity(keys.len());
        let mut left = HOST_CALL_BYTES;
        for key in keys {
            let value = self.changes.get(&key)?;
            let bytes = value.as_ref().map_or(0, Vec::len);
            left = left.checked_sub(bytes).ok_or(Refused::TooMany { what: "bytes of values", max: HOST_CALL_BYTES })?;
            pairs.push(value.map(|value| (key, value)));
        }
        Ok(pairs)
    }

    /// Stops at the first pair that is refused, as the standard allows.
    fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.check_batch(&bucket, pairs.len())?;
        pairs.into_iter().try_for_each(|(key, value)| self.changes.set(key, value)).map_err(Error::from)
    }

    fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Error> {
        self.check_batch(&bucket, keys.len())?;
        keys.into_iter().try_for_each(|key| self.changes.delete(key)).map_err(Error::from)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastword_events::PluginName;

    use super::batch::Host as _;
    use super::store::Host as _;
    use super::*;
    use crate::limits::Limits;
    use lastword_events::{KeyValueError, KeyValueUsage, KeyValues};

    /// A storage in which every key has a value of so many bytes.
    struct Full(usize);

    impl KeyValues for Full {
        fn get(&self, _: &str, _: &PluginName, _: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
            Ok(Some(vec![0; self.0]))
        }

        fn keys(&self, _: &str, _: &PluginName, _: Option<&str>, _: usize) -> Result<Vec<String>, KeyValueError> {
            Ok(Vec::new())
        }

        fn usage(&self, _: &str, _: &PluginName) -> Result<KeyValueUsage, KeyValueError> {
            Ok(KeyValueUsage::default())
        }
    }

    #[test]
    fn a_batch_is_no_more_than_a_ticks_work() {
        let plugin = PluginName::new("p").unwrap();
        let store = Arc::new(Full(HOST_CALL_BYTES / 4));
        let mut changes = Changes::new(Some(store), "acme".into(), plugin, u64::MAX, &Limits::default());
        let mut table = ResourceTable::new();
        let mut view = View { changes: &mut changes, table: &mut table };
        let keys = |n: usize| (0..n).map(|n| format!("k{n}")).collect::<Vec<_>>();
        let open = |view: &mut View<'_>| view.open(String::new()).map_err(drop).unwrap();
        let refused = |error: Error| match error {
            Error::Refused(refused) => refused.to_string(),
            _ => panic!("it is refused"),
        };
        let bucket = open(&mut view);
        let too_many = view.delete_many(bucket, keys(MAX_BATCH_KEYS + 1)).map_err(refused);
        assert_eq!(too_many, Err("at most 128 keys at once".to_owned()));
        let bucket = open(&mut view);
        assert!(view.delete_many(bucket, keys(MAX_BATCH_KEYS)).is_ok());
        let bucket = open(&mut view);
        let found = view.get_many(bucket, keys(MAX_BATCH_KEYS)).map_err(refused).unwrap();
        assert!(found.iter().all(Option::is_none), "they are deleted");
        let others = |n: usize| (0..n).map(|n| format!("other{n}")).collect::<Vec<_>>();
        let bucket = open(&mut view);
        assert_eq!(view.get_many(bucket, others(4)).map_err(refused).unwrap().len(), 4);
        let bucket = open(&mut view);
        let too_long = view.get_many(bucket, others(5)).map_err(refused);
        assert_eq!(too_long, Err("at most 262144 bytes of values at once".to_owned()));
    }
}
