//! Port of `org.apache.kafka.message.MessageGenerator`: from a table of fields and versions, the
//! struct and both directions of its codec.

/// Declares messages as tables that stand beside Kafka's protocol page.
///
/// ```text
/// message! {
///     pub struct FetchTopic {
///         /// A field of all versions.
///         0..            => topic: String,
///         /// One since version 3; before, it reads as the default given.
///         3..            => max_bytes: i32 = i32::MAX,
///         /// One that is gone again, and one that may be null from version 1 on.
///         8..=10         => include_operations: bool,
///         0.., null 1..  => topics: Option<Vec<String>>,
///         /// A tagged field of the flexible versions, by its number.
///         12.., tag 1    => replica_state: ReplicaState,
///     }
/// }
/// ```
///
/// Fields travel in the order of the table. In a flexible version a message ends with a section of
/// tagged fields, which stand at the end of the table by ascending numbers: one that has its default
/// value is not sent, and one that is not in the table is skipped. A `message_part!` is the same without
/// that section: fields that stand in the midst of a message.
macro_rules! message {
    ($($table:tt)*) => {
        $crate::protocol::wire::message_table::table! { ends_with_tags true; $($table)* }
    };
}

/// Fields that stand together within a message: see [`message!`].
macro_rules! message_part {
    ($($table:tt)*) => {
        $crate::protocol::wire::message_table::table! { ends_with_tags false; $($table)* }
    };
}

/// Writes what both kinds of table declare. The rules below the first choose between the two forms
/// of a row's optional columns.
macro_rules! table {
    (ends_with_tags $has_tags:literal; $(
        $(#[$doc:meta])*
        pub struct $name:ident {$(
            $(#[$field_doc:meta])*
            $from:literal $dots:tt $($to:literal)? $(, null $null:literal ..)? $(, tag $tag:literal)?
                => $field:ident: $type:ty $(= $default:expr)?,
        )*}
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::protocol::wire::message_table::table!(@default $($default)?),)* }
            }
        }

        impl $name {
            /// Those that differ from their defaults, behind their number: what ends the message in a
            /// flexible version.
            pub(crate) fn write_tagged_fields(
                &self,
                writer: &mut $crate::protocol::wire::types::Writer<'_>,
                version: $crate::protocol::wire::types::Version,
            ) {
                // A message without fields has no use for it.
                _ = version;
                #[allow(unused_mut, reason = "a message without tagged fields has none to count")]
                let mut count = 0;
                $(if $crate::protocol::wire::message_table::table!(@is_tagged $($tag)?)
                    && ($from $dots $($to)?).contains(&version.number)
                {
                    let default: $type =
                        $crate::protocol::wire::message_table::table!(@default $($default)?);
                    count += u32::from(self.$field != default);
                })*
                writer.write_unsigned_varint(count);
                $(if $crate::protocol::wire::message_table::table!(@is_tagged $($tag)?)
                    && ($from $dots $($to)?).contains(&version.number)
                {
                    let default: $type =
                        $crate::protocol::wire::message_table::table!(@default $($default)?);
                    if self.$field != default {
                        let number = $crate::protocol::wire::message_table::table!(@tag $($tag)?);
                        writer.write_tagged_field(number, |writer| {
                            $crate::protocol::wire::message_table::table!(
                                @write &self.$field, writer, version $(, null $null)?
                            );
                        });
                    }
                })*
            }
        }

        impl $crate::protocol::wire::types::WireType for $name {
            fn read(
                reader: &mut $crate::protocol::wire::types::Reader<'_>,
                version: $crate::protocol::wire::types::Version,
            ) -> Result<Self, $crate::protocol::wire::decode_error::DecodeError> {
                #[allow(unused_mut, reason = "a message without tagged fields is whole by now")]
                let mut message = Self {$(
                    $field: if !$crate::protocol::wire::message_table::table!(@is_tagged $($tag)?)
                        && ($from $dots $($to)?).contains(&version.number)
                    {
                        const FIELD: &str = concat!(stringify!($name), ".", stringify!($field));
                        $crate::protocol::wire::message_table::table!(
                            @read reader, version, FIELD $(, null $null)?
                        )
                    } else {
                        $crate::protocol::wire::message_table::table!(@default $($default)?)
                    },
                )*};
                if $has_tags && version.is_flexible {
                    let section = concat!(stringify!($name), "'s tagged fields");
                    reader.read_tagged_fields(section, |reader, number| {
                        _ = (&reader, number);
                        $(if $crate::protocol::wire::message_table::table!(@has_tag number $($tag)?)
                            && ($from $dots $($to)?).contains(&version.number)
                        {
                            const FIELD: &str = concat!(stringify!($name), ".", stringify!($field));
                            message.$field = $crate::protocol::wire::message_table::table!(
                                @read reader, version, FIELD $(, null $null)?
                            );
                            return Ok(true);
                        })*
                        Ok(false)
                    })?;
                }
                Ok(message)
            }

            fn write(
                &self,
                writer: &mut $crate::protocol::wire::types::Writer<'_>,
                version: $crate::protocol::wire::types::Version,
            ) {
                $(if !$crate::protocol::wire::message_table::table!(@is_tagged $($tag)?)
                    && ($from $dots $($to)?).contains(&version.number)
                {
                    $crate::protocol::wire::message_table::table!(
                        @write &self.$field, writer, version $(, null $null)?
                    );
                })*
                if $has_tags && version.is_flexible {
                    self.write_tagged_fields(writer, version);
                }
            }

            fn size_min(version: $crate::protocol::wire::types::Version) -> usize {
                #[allow(unused_mut, reason = "a message without fields is no longer")]
                let mut size = usize::from($has_tags && version.is_flexible);
                $(if !$crate::protocol::wire::message_table::table!(@is_tagged $($tag)?)
                    && ($from $dots $($to)?).contains(&version.number)
                {
                    size += <$type as $crate::protocol::wire::types::WireType>::size_min(version);
                })*
                size
            }

            fn for_each_error_code(
                &self,
                version: $crate::protocol::wire::types::Version,
                _is_error_code: bool,
                found: &mut dyn FnMut(i16),
            ) {
                _ = (version, &found);
                $(if ($from $dots $($to)?).contains(&version.number) {
                    let is_error_code = stringify!($field) == "error_code";
                    $crate::protocol::wire::types::WireType::for_each_error_code(
                        &self.$field, version, is_error_code, found
                    );
                })*
            }
        }
    )+};

    (@is_tagged) => { false };
    (@is_tagged $tag:literal) => { true };

    (@tag) => { 0 };
    (@tag $tag:literal) => { $tag };

    (@has_tag $number:ident) => { false };
    (@has_tag $number:ident $tag:literal) => { $number == $tag };

    (@default) => { Default::default() };
    (@default $default:expr) => { $default };

    (@read $reader:ident, $version:ident, $field:expr) => { $reader.read($version, $field)? };
    (@read $reader:ident, $version:ident, $field:expr, null $null:literal) => {
        $reader.read_nullable($version, $field, ($null..).contains(&$version.number))?
    };

    (@write $value:expr, $writer:ident, $version:ident) => {
        $crate::protocol::wire::types::WireType::write($value, $writer, $version)
    };
    (@write $value:expr, $writer:ident, $version:ident, null $null:literal) => {
        $writer.write_nullable($value, $version, ($null..).contains(&$version.number))
    };
}

pub(crate) use {message, message_part, table};
