//! Bytes as hexadecimal digits, two each.

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that `digits` stand for; `None` if they are not pairs of hexadecimal digits.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let &[high, low] = pair else { return None };
            Some(digit(high)? << 4 | digit(low)?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_in_pairs_only() {
        assert_eq!(from_hex(&to_hex(&[0, 0xab, 0xff])), Some(vec![0, 0xab, 0xff]));
        assert_eq!(from_hex("0Ab1"), Some(vec![0x0a, 0xb1]));
        for wrong in ["0", "abc", "+f", "-1", " 1", "0x", "ä"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
