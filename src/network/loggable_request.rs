//! Port of `RequestChannel.Request.loggableRequest` (Kafka 2.4): what a request asks for, as the log
//! may have it: without secrets.

use std::borrow::Cow;

use crate::config::secrets::shown;
use crate::protocol::api_keys::ApiKeys;
use crate::protocol::request::RequestBody;

/// The numbers of the requests that are secrets as a whole: SaslAuthenticate, CreateDelegationToken,
/// RenewDelegationToken, ExpireDelegationToken, AlterUserScramCredentials.
const SECRET_APIS: [i16; 5] = [36, 38, 39, 40, 51];

/// What the log may have of the request; nothing of one that is a secret.
pub(super) fn loggable(api_key: ApiKeys, body: &RequestBody) -> Option<Cow<'_, RequestBody>> {
    if SECRET_APIS.contains(&api_key.id()) {
        return None;
    }
    let hide = |name: &str, value: &mut Option<String>| {
        if let Some(value) = value {
            *value = shown(name, value).to_string();
        }
    };
    Some(match body {
        RequestBody::AlterConfigs(request) => {
            let mut request = request.clone();
            for it in request.resources.iter_mut().flat_map(|it| &mut it.configs) {
                hide(&it.name, &mut it.value);
            }
            Cow::Owned(RequestBody::AlterConfigs(request))
        }
        RequestBody::IncrementalAlterConfigs(request) => {
            let mut request = request.clone();
            for it in request.resources.iter_mut().flat_map(|it| &mut it.configs) {
                hide(&it.name, &mut it.value);
            }
            Cow::Owned(RequestBody::IncrementalAlterConfigs(request))
        }
        other => Cow::Borrowed(other),
    })
}
