//! Port of `KafkaApis.handleDescribeUserScramCredentialsRequest` and
//! `ControllerApis.handleAlterUserScramCredentials` (KIP-554), and of `describe` in
//! `org.apache.kafka.image.ScramImage`: the users of SCRAM.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use log::{Level, log};

use crate::common::errors::{Errors, KafkaError};
use crate::common::log_limit::{LogKind, limited};
use crate::common::text::for_log;
use crate::protocol::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::protocol::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};
use crate::protocol::request::ResponseBody;
use crate::security::scram::credential_cache::CredentialCache;
use crate::security::scram::scram_credential::ScramCredential;
use crate::security::scram::scram_formatter::ScramFormatter;
use crate::security::scram::scram_mechanism::{ScramCredentials, ScramMechanism};
use crate::server::apis::duplicates::duplicates;
use crate::server::apis::parts::{Keeper, Parts, not_kept_here};
use crate::server::metadata::scram_control_manager::ScramChanges;
use crate::server::reply::refusals::Refusals;
use crate::server::reply::reply::Reply;
use crate::server::security::authorization::Authorization;
use crate::server::security::authorizer::{Operation, Resource};

/// The longest name of a user, in bytes.
const USER_BYTES_MAX: usize = 1024;

/// Handles DescribeUserScramCredentials and AlterUserScramCredentials.
pub(crate) struct ScramApis {
    credentials: Arc<CredentialCache>,
    keeper: Keeper,
    authorization: Authorization,
}

impl ScramApis {
    pub(crate) fn new(parts: &Parts<'_>) -> Self {
        let (credentials, keeper) = (Arc::clone(&parts.credentials), parts.keeper.clone());
        Self { credentials, keeper, authorization: parts.authorization() }
    }

    pub(crate) fn handle_describe_user_scram_credentials_request(
        &self,
        reply: Reply,
        request: &DescribeUserScramCredentialsRequest,
    ) {
        let mut refusals = Refusals::default();
        let mut response = DescribeUserScramCredentialsResponse::default();
        let is_allowed =
            self.authorization.check(&reply.context, Operation::Describe, Resource::CLUSTER);
        let described = is_allowed.map(|()| {
            let credentials = self.credentials.credentials();
            response.results = match request.users.as_deref() {
                None | Some([]) => all(&credentials),
                Some(users) => {
                    let users = users.iter().map(|it| it.name.as_str());
                    describe(&credentials, users, &mut refusals)
                }
            };
        });
        let described = refusals.error_fields(described, &"SCRAM credentials");
        (response.error_code, response.error_message) = described;
        reply.log_refusals(&refusals);
        reply.send_body(&ResponseBody::DescribeUserScramCredentials(response));
    }

    /// Makes users, changes their passwords and removes them, for the next login on.
    pub(crate) fn handle_alter_user_scram_credentials_request(
        &self,
        reply: Reply,
        request: &AlterUserScramCredentialsRequest,
    ) {
        if !self.authorization.authorize(&reply.context, Operation::Alter, Resource::CLUSTER) {
            let refused = request.error_response(Errors::ClusterAuthorizationFailed);
            reply.send_body(&ResponseBody::AlterUserScramCredentials(refused));
            return;
        }
        let mut checked = Checked::default();
        request.deletions.iter().for_each(|it| checked.take(&it.name, deletion(it)));
        request.upsertions.iter().for_each(|it| checked.take(&it.name, upsertion(it)));
        let Checked { changes, mut refused } = checked;
        warn_of_listeners(&reply, &changes);
        let altered = match &self.keeper {
            Keeper::Registries { scram, .. } => {
                scram.alter_credentials(changes, &reply.context.session)
            }
            Keeper::Controller { .. } => Err(not_kept_here()),
        };
        let failed = altered.map(|it| refused.extend(it)).err();
        let mut refusals = Refusals::default();
        let result = |user: &str| {
            let altered = match (refused.remove(user), &failed) {
                (Some(error), _) => Err(error),
                (None, Some(error)) => Err(KafkaError::api(error.code(), error.why())),
                (None, None) => Ok(()),
            };
            let (error_code, error_message) = refusals.error_fields(altered, &for_log(user));
            AlterUserScramCredentialsResult { user: user.to_string(), error_code, error_message }
        };
        let results = request.users().into_iter().map(result).collect();
        reply.log_refusals(&refusals);
        let response = AlterUserScramCredentialsResponse { throttle_time_ms: 0, results };
        reply.send_body(&ResponseBody::AlterUserScramCredentials(response));
    }
}

/// What is to be changed, and why what is not: one of both for each user.
#[derive(Default)]
struct Checked {
    changes: BTreeMap<String, ScramChanges>,
    refused: HashMap<String, KafkaError>,
}

impl Checked {
    /// A user with one error loses all its changes. It may have one for each mechanism, as Kafka's
    /// documentation shows and as Kafka allowed it with ZooKeeper; its controllers of today refuse that.
    fn take(&mut self, user: &str, checked: Result<Change, KafkaError>) {
        if self.refused.contains_key(user) {
            return;
        }
        let changes = self.changes.entry(user.to_string()).or_default();
        let taken = checked.and_then(|(mechanism, credential)| {
            match changes.insert(mechanism, credential) {
                None => Ok(()),
                Some(_) => Err(KafkaError::api(
                    Errors::DuplicateResource,
                    "A user credential cannot be altered twice in the same request",
                )),
            }
        });
        if let Err(error) = taken {
            self.changes.remove(user);
            self.refused.insert(user.to_string(), error);
        }
    }
}

/// The credential of a mechanism; `None` if it is to be removed.
type Change = (ScramMechanism, Option<ScramCredential>);

fn deletion(asked: &ScramCredentialDeletion) -> Result<Change, KafkaError> {
    Ok((checked_mechanism(&asked.name, asked.mechanism)?, None))
}

fn upsertion(asked: &ScramCredentialUpsertion) -> Result<Change, KafkaError> {
    let mechanism = checked_mechanism(&asked.name, asked.mechanism)?;
    if asked.iterations < mechanism.min_iterations() {
        return Err(unacceptable("Too few iterations"));
    }
    if asked.iterations > mechanism.max_iterations() {
        return Err(unacceptable("Too many iterations"));
    }
    if asked.name.len() > USER_BYTES_MAX {
        return Err(unacceptable(format!("the name is longer than {USER_BYTES_MAX} bytes")));
    }
    let salted_password = &asked.salted_password.0;
    mechanism.check_salted_password(salted_password).map_err(unacceptable)?;
    let formatter = ScramFormatter::new(mechanism);
    let credential = formatter.credential_of(salted_password, asked.salt.clone(), asked.iterations);
    mechanism.check(&credential).map_err(unacceptable)?;
    Ok((mechanism, Some(credential)))
}

fn checked_mechanism(user: &str, mechanism: i8) -> Result<ScramMechanism, KafkaError> {
    if user.is_empty() {
        return Err(unacceptable("Username must not be empty"));
    }
    ScramMechanism::for_id(mechanism)
        .ok_or_else(|| KafkaError::api(Errors::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"))
}

fn unacceptable(why: impl Into<String>) -> KafkaError {
    KafkaError::api(Errors::UnacceptableCredential, why.into())
}

/// A salted password is as good as the password for whoever sees it on its way. Kafka takes it, too.
fn warn_of_listeners(reply: &Reply, changes: &BTreeMap<String, ScramChanges>) {
    let listener = &reply.context.session.listener;
    let makes_one = changes.values().flat_map(BTreeMap::values).any(Option::is_some);
    if makes_one && !listener.security_protocol.uses_ssl() {
        let level = limited(LogKind::Settings, Level::Warn);
        log!(
            level,
            "{} has sent a password for SCRAM over {listener}, which does not encrypt it: who has \
             seen it can log in with it",
            reply.client()
        );
    }
}

fn all(credentials: &ScramCredentials) -> Vec<DescribeUserScramCredentialsResult> {
    let describe = |(user, _): (&String, _)| known(credentials, user);
    credentials.iter().filter_map(describe).collect()
}

fn known(credentials: &ScramCredentials, user: &str) -> Option<DescribeUserScramCredentialsResult> {
    let info = |(mechanism, credential): (&ScramMechanism, &ScramCredential)| CredentialInfo {
        mechanism: mechanism.id(),
        iterations: credential.iterations,
    };
    Some(DescribeUserScramCredentialsResult {
        user: user.to_string(),
        credential_infos: credentials.get(user)?.iter().map(info).collect(),
        ..DescribeUserScramCredentialsResult::default()
    })
}

fn describe<'a>(
    credentials: &ScramCredentials,
    users: impl Iterator<Item = &'a str> + Clone,
    refusals: &mut Refusals,
) -> Vec<DescribeUserScramCredentialsResult> {
    let twice = duplicates(users.clone());
    let mut named = HashSet::new();
    let once = users.filter(|user| named.insert(*user));
    let describe = |user: &str| {
        let found = match twice.contains(user) {
            true => Err(KafkaError::api(
                Errors::DuplicateResource,
                "Cannot describe SCRAM credentials for the same user twice in a single request: "
                    .to_string()
                    + user,
            )),
            false => known(credentials, user).ok_or_else(|| {
                let why = "Attempt to describe a user credential that does not exist: ";
                KafkaError::api(Errors::ResourceNotFound, why.to_string() + user)
            }),
        };
        found.unwrap_or_else(|error| {
            let (error_code, error_message) = refusals.error_fields(Err(error), &for_log(user));
            DescribeUserScramCredentialsResult {
                user: user.to_string(),
                error_code,
                error_message,
                ..DescribeUserScramCredentialsResult::default()
            }
        })
    };
    once.map(describe).collect()
}
