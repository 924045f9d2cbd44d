//! Dissections, read back.

/// The bytes that a dissection shows: numbers in one piece are in host byte order.
///
/// # Panics
/// It is no dissection.
#[must_use]
pub fn bytes_of(text: &str) -> Vec<u8> {
    read(text, cfg!(target_endian = "big"))
}

/// The bytes that a machine of the other byte order would have sent.
///
/// # Panics
/// It is no dissection.
#[must_use]
pub fn bytes_in_other_order(text: &str) -> Vec<u8> {
    read(text, cfg!(target_endian = "little"))
}

fn read(text: &str, big_endian: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut number = |digits: &str| {
        let value = u64::from_str_radix(digits, 16).unwrap();
        let size = digits.len() / 2;
        if big_endian {
            bytes.extend_from_slice(&value.to_be_bytes()[8 - size..]);
        } else {
            bytes.extend_from_slice(&value.to_le_bytes()[..size]);
        }
    };
    for line in text.lines() {
        let column = |from: usize, to: usize| line.get(from.min(line.len())..to.min(line.len())).unwrap();
        column(42, 51).split_whitespace().for_each(&mut number);
        column(53, 78).split([' ', '(', ')']).filter(|cell| !cell.is_empty()).for_each(&mut number);
    }
    bytes
}

/// Panics unless `text` shows every byte of `bytes` once and in order.
///
/// # Panics
/// It does not.
pub fn check(text: &str, bytes: &[u8]) {
    assert!(bytes_of(text) == bytes, "{bytes:02x?} is shown as\n{text}");
}
