//! Port of `kafka.security.auth.SimpleAclAuthorizer.aclCache`: the ACLs in memory, so that those
//! that cover one resource are found at once, however many cover others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::common::acl::{
    Acl, AclBinding, Operation, PatternType, PermissionType, Resource, ResourcePattern,
    ResourceType, WILDCARD,
};

/// The ACLs, sorted, and by the resources that they cover.
#[derive(Debug)]
pub struct AclCache {
    bindings: BTreeSet<AclBinding>,
    by_type: BTreeMap<ResourceType, ByName>,
}

/// The ACLs about one type of resource.
#[derive(Debug, Default)]
struct ByName {
    literal: BTreeMap<String, Vec<Acl>>,
    prefixed: BTreeMap<String, Vec<Acl>>,
}

impl AclCache {
    pub fn new(bindings: BTreeSet<AclBinding>) -> Self {
        let mut by_type: BTreeMap<ResourceType, ByName> = BTreeMap::new();
        for AclBinding { pattern, acl } in &bindings {
            let by_name = by_type.entry(pattern.resource_type).or_default();
            let (names, acl) = match pattern.pattern_type {
                PatternType::Literal => (&mut by_name.literal, acl.clone()),
                PatternType::Prefixed => (&mut by_name.prefixed, acl.clone()),
                _ => (&mut by_name.prefixed, without_right(acl)),
            };
            names.entry(pattern.name.clone()).or_default().push(acl);
        }
        Self { bindings, by_type }
    }

    pub fn bindings(&self) -> &BTreeSet<AclBinding> {
        &self.bindings
    }

    pub fn bindings_of_type(&self, wanted: ResourceType) -> impl Iterator<Item = &AclBinding> {
        self.bindings.iter().filter(move |it| it.pattern.resource_type == wanted)
    }

    /// Those that cover one resource: by its name, by a beginning of it, or by [`WILDCARD`].
    pub fn acls_about(&self, resource: Resource<'_>) -> impl Iterator<Item = &Acl> {
        let Resource { resource_type, name } = resource;
        self.by_type.get(&resource_type).into_iter().flat_map(move |of| {
            let literal = of.literal.get(name).filter(|_| name != WILDCARD);
            let prefixed = beginnings(&of.prefixed, name).flatten();
            literal.into_iter().flatten().chain(of.wildcard()).chain(prefixed)
        })
    }

    /// Those that cover everything that `pattern` covers.
    pub fn acls_covering<'a>(
        &'a self,
        pattern: &'a ResourcePattern,
    ) -> impl Iterator<Item = &'a Acl> {
        let ResourcePattern { resource_type, pattern_type, name } = pattern;
        let is_literal = *pattern_type == PatternType::Literal;
        let is_everything = is_literal && name == WILDCARD;
        self.by_type.get(resource_type).into_iter().flat_map(move |of| {
            let literal = of.literal.get(name).filter(|_| is_literal && !is_everything);
            let prefixed = beginnings(&of.prefixed, name).filter(move |_| !is_everything).flatten();
            literal.into_iter().flatten().chain(of.wildcard()).chain(prefixed)
        })
    }
}

/// What an ACL counts for whose way to match names is not known. As in Kafka it covers all names that begin
/// with its own; but what it is to allow it does not: that way may be a narrower one.
fn without_right(acl: &Acl) -> Acl {
    let operation = match acl.permission_type {
        PermissionType::Allow => Operation::Unknown,
        _ => acl.operation,
    };
    Acl { operation, ..acl.clone() }
}

impl ByName {
    fn wildcard(&self) -> &[Acl] {
        self.literal.get(WILDCARD).map_or(&[], Vec::as_slice)
    }
}

/// What `of` holds under the beginnings of `name`, the longest first.
///
/// The greatest key that is not beyond `name` is its longest beginning, or no beginning of it; then
/// every beginning of `name` is one of what the two have in common, which is shorter than `name`.
fn beginnings<'m, 'n, T>(
    of: &'m BTreeMap<String, T>,
    name: &'n str,
) -> impl Iterator<Item = &'m T> + use<'m, 'n, T> {
    let mut last = Bound::Included(name);
    std::iter::from_fn(move || {
        loop {
            let (key, value) = of.range::<str, _>((Bound::Unbounded, last)).next_back()?;
            if name.starts_with(key.as_str()) {
                last = Bound::Excluded(&name[..key.len()]);
                return Some(value);
            }
            last = Bound::Included(in_common(key, name));
        }
    })
}

/// The beginning of `name` that `key` has too.
fn in_common<'n>(key: &str, name: &'n str) -> &'n str {
    let end = key.chars().zip(name.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8());
    &name[..end.sum()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_of_a_name_is_found_among_its_neighbours() {
        let keys = ["", "a", "ab", "abc", "abd", "abcd", "abczz", "b", "é", "éa"];
        let of: BTreeMap<String, &str> = keys.iter().map(|it| (it.to_string(), *it)).collect();
        for name in ["abcde", "abd", "a", "", "éb", "bb", "zzz", "abb", "*"] {
            let found: Vec<_> = beginnings(&of, name).copied().collect();
            let mut expected: Vec<_> =
                keys.iter().copied().filter(|it| name.starts_with(it)).collect();
            expected.sort_unstable_by_key(|it| std::cmp::Reverse(it.len()));
            assert_eq!(found, expected, "{name}");
        }
    }
}
