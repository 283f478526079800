//! Port of `org.apache.kafka.common.quota.ClientQuotaEntity`: whom a quota is for.

use std::fmt;

use crate::common::text::for_log;

/// A user, a client id, or a client id of a user. In each place stands one name, or
/// [`EntityName::Default`] for every name without an entity of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientQuotaEntity {
    /// `None` if the quota does not ask who the user is.
    pub user: Option<EntityName>,
    /// `None` if all clients of the user share the quota.
    pub client_id: Option<EntityName>,
}

/// What stands in one place of an entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityName {
    /// Kafka's `<default>`.
    Default,
    Named(String),
}

impl EntityName {
    /// As the protocol has it: null is the default.
    pub fn of(name: Option<&str>) -> Self {
        name.map_or(Self::Default, |it| Self::Named(it.to_string()))
    }

    /// As the protocol has it: null is the default.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Default => None,
            Self::Named(name) => Some(name),
        }
    }
}

impl ClientQuotaEntity {
    /// Of a client id, whoever the user is; of every one without an entity of its own for `None`.
    pub fn client_id(name: Option<&str>) -> Self {
        Self { user: None, client_id: Some(EntityName::of(name)) }
    }

    /// Of all clients of a user; of every one without an entity of its own for `None`.
    pub fn user(name: Option<&str>) -> Self {
        Self { user: Some(EntityName::of(name)), client_id: None }
    }

    /// Of a client id of a user; each as in the other two.
    pub fn user_and_client_id(user: Option<&str>, client_id: Option<&str>) -> Self {
        Self { user: Some(EntityName::of(user)), client_id: Some(EntityName::of(client_id)) }
    }
}

impl fmt::Display for ClientQuotaEntity {
    /// The names are the client's: they are escaped and cut, so that they forge no line of the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = [("user", &self.user), ("client", &self.client_id)];
        let mut separator = "";
        for (place, name) in places {
            match name {
                None => continue,
                Some(EntityName::Default) => write!(f, "{separator}the default {place}")?,
                Some(EntityName::Named(name)) => {
                    write!(f, "{separator}{place} {}", for_log(name))?;
                }
            }
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_shows_both_of_its_places_and_forges_no_line() {
        let shown = |it: ClientQuotaEntity| it.to_string();
        assert_eq!(shown(ClientQuotaEntity::client_id(None)), "the default client");
        assert_eq!(shown(ClientQuotaEntity::user(Some("a\nb"))), r#"user "a\nb""#);
        let both = ClientQuotaEntity::user_and_client_id(None, Some("c"));
        assert_eq!(shown(both), r#"the default user, client "c""#);
    }
}
