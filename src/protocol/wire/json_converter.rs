//! Port of `org.apache.kafka.message.JsonConverterGenerator`: from the same table of fields and versions
//! as the codec, a message as JSON in one line.

use crate::common::json::Json;
use crate::protocol::wire::secret_bytes::SecretBytes;
use crate::protocol::wire::types::Version;
use crate::protocol::wire::uuid::Uuid;

/// A value as JSON, as one version of its message has it.
pub(crate) trait JsonConverter {
    /// Appends the value to `json`.
    fn write_json(&self, json: &mut Json, version: Version);
}

/// Declares messages as [`message!`](crate::protocol::wire::message_table::message) does, and how they
/// are written as JSON: the fields in the order of the table under Kafka's names, those with tags only
/// where they differ from their defaults.
macro_rules! json_message {
    ($($table:tt)*) => {
        $crate::protocol::wire::message_table::message! { $($table)* }
        $crate::protocol::wire::json_converter::json_fields! { $($table)* }
    };
}

/// The second half of [`json_message!`].
macro_rules! json_fields {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident {$(
            $(#[$field_doc:meta])*
            $from:literal $dots:tt $($to:literal)? $(, null $null:literal ..)? $(, tag $tag:literal)?
                => $field:ident: $type:ty $(= $default:expr)?,
        )*}
    )+) => {$(
        impl $crate::protocol::wire::json_converter::JsonConverter for $name {
            fn write_json(
                &self,
                json: &mut $crate::common::json::Json,
                version: $crate::protocol::wire::types::Version,
            ) {
                json.object(|json| {
                    // A message without fields has no use for these.
                    let _ = (&json, version);
                    $({
                        let is_tagged =
                            $crate::protocol::wire::message_table::table!(@is_tagged $($tag)?);
                        let default: $type =
                            $crate::protocol::wire::message_table::table!(@default $($default)?);
                        if ($from $dots $($to)?).contains(&version.number)
                            && !(is_tagged && self.$field == default)
                        {
                            let name = stringify!($field);
                            json.field(&$crate::protocol::wire::json_converter::camel_case(name));
                            $crate::protocol::wire::json_converter::JsonConverter::write_json(
                                &self.$field, json, version
                            );
                        }
                    })*
                });
            }
        }
    )+};
}

pub(crate) use {json_fields, json_message};

/// Kafka's spelling of one of our names: `leaderEpoch` for `leader_epoch`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut spelt = words.next().unwrap_or_default().to_string();
    for word in words {
        let mut letters = word.chars();
        spelt.extend(letters.next().map(|it| it.to_ascii_uppercase()));
        spelt.push_str(letters.as_str());
    }
    spelt
}

macro_rules! number {
    ($($type:ty)+) => {$(
        impl JsonConverter for $type {
            fn write_json(&self, json: &mut Json, _: Version) {
                json.number(*self);
            }
        }
    )+};
}

number! { i8 i16 u16 i32 i64 }

impl JsonConverter for bool {
    fn write_json(&self, json: &mut Json, _: Version) {
        json.bool(*self);
    }
}

impl JsonConverter for f64 {
    fn write_json(&self, json: &mut Json, _: Version) {
        json.double(*self);
    }
}

impl JsonConverter for String {
    fn write_json(&self, json: &mut Json, _: Version) {
        json.string(self);
    }
}

impl JsonConverter for Uuid {
    fn write_json(&self, json: &mut Json, _: Version) {
        json.string(&self.to_string());
    }
}

impl JsonConverter for Vec<u8> {
    fn write_json(&self, json: &mut Json, _: Version) {
        json.bytes(self);
    }
}

/// Not hidden: who asks for the JSON of a message asks for all of it, as in Kafka.
impl JsonConverter for SecretBytes {
    fn write_json(&self, json: &mut Json, _: Version) {
        json.bytes(&self.0);
    }
}

impl<T: JsonConverter> JsonConverter for Vec<T> {
    fn write_json(&self, json: &mut Json, version: Version) {
        json.array(self, |json, it| it.write_json(json, version));
    }
}

impl<T: JsonConverter> JsonConverter for Option<T> {
    fn write_json(&self, json: &mut Json, version: Version) {
        match self {
            Some(value) => value.write_json(json, version),
            None => json.null(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(unreachable_pub, reason = "what a table declares is public")]

    use super::*;

    json_message! {
        pub struct Sample {
            0.. => broker_id: i32,
            0.. => end_points: Vec<SamplePoint>,
            0.., tag 0 => state: i8 = 3,
            1.. => rack: Option<String>,
            0.. => id: Uuid,
            0..=0 => gone: bool,
            1.., null 1.., tag 1 => log_dirs: Option<Vec<Uuid>>,
        }

        pub struct SamplePoint {
            0.. => port: u16,
        }

        pub struct Empty {}
    }

    fn json(message: &impl JsonConverter, number: i16) -> String {
        let mut json = Json::default();
        message.write_json(&mut json, Version { number, is_flexible: true });
        json.into_text()
    }

    #[test]
    fn fields_have_kafkas_names_and_stand_in_the_order_of_the_table() {
        let point = SamplePoint { port: 65_535 };
        let message = Sample { broker_id: -1, end_points: vec![point], ..Sample::default() };
        assert_eq!(
            json(&message, 0),
            r#"{"brokerId":-1,"endPoints":[{"port":65535}],"id":"AAAAAAAAAAAAAAAAAAAAAA","gone":false}"#
        );
        let message =
            Sample { state: 4, log_dirs: Some(vec![Uuid([0xff; 16])]), ..Sample::default() };
        assert_eq!(
            json(&message, 1),
            "{\"brokerId\":0,\"endPoints\":[],\"state\":4,\"rack\":null,\
             \"id\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"logDirs\":[\"_____________________w\"]}"
        );
        assert_eq!(json(&Empty {}, 0), "{}");
    }

    #[test]
    fn a_name_is_spelt_as_kafka_spells_it() {
        assert_eq!(camel_case("leader"), "leader");
        assert_eq!(camel_case("last_known_elr"), "lastKnownElr");
    }
}
