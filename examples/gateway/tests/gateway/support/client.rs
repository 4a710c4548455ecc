//! Asks the gateway.

use std::time::Duration;

use serde_json::Value;
use ureq::{Agent, http};

/// Whoever asks on one of the two addresses. Each has connections of its own.
pub(crate) struct Client {
    agent: Agent,
    address: String,
}

/// What the gateway answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) text: String,
}

impl Client {
    /// `address` is `http://…`, without a path.
    pub(crate) fn of(address: &str) -> Self {
        // Nothing here takes so long: a test that hangs says where.
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30)));
        Self { agent: config.build().into(), address: address.to_owned() }
    }

    /// Another one on the same address.
    pub(crate) fn another(&self) -> Self {
        Self::of(&self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).unwrap()
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None).unwrap()
    }

    /// Without a body.
    pub(crate) fn post(&self, path: &str) -> Answer {
        self.send("POST", path, &[], Some(Vec::new())).unwrap()
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], Some(body.to_string().into())).unwrap()
    }

    pub(crate) fn put(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send("PUT", path, &[], Some(body.into())).unwrap()
    }

    pub(crate) fn put_json(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[("content-type", "application/json")], Some(body.to_string().into())).unwrap()
    }

    /// `PUT` with the test guest of that name.
    pub(crate) fn put_guest(&self, path: &str, guest: &str) -> Answer {
        self.put(path, lastword_test_guests::component(guest))
    }

    /// An error is one of the connection: the gateway is gone.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap())?,
            None => self.agent.run(request.body(()).unwrap())?,
        };
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let text = response.body_mut().read_to_string()?;
        Ok(Answer { status: response.status().as_u16(), retry_after, text })
    }
}

impl Answer {
    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).unwrap() }
    }
}
