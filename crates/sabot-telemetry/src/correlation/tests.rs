//! What is a correlation id, and what is not.

use proptest::prelude::*;

use super::{CorrelationId, CorrelationIdError};

#[test]
fn only_short_printable_texts_are_ids() {
    for (text, expected) in [
        ("a".to_owned(), Ok("a")),
        ("  order 4711 ".to_owned(), Ok("order 4711")),
        ("~!".to_owned(), Ok("~!")),
        (String::new(), Err(CorrelationIdError::Empty)),
        ("   ".to_owned(), Err(CorrelationIdError::Empty)),
        ("x".repeat(129), Err(CorrelationIdError::TooLong { length_bytes: 129 })),
        ("two\r\nlines".to_owned(), Err(CorrelationIdError::NotPrintable { byte: b'\r', at: 3 })),
        ("caf\u{e9}".to_owned(), Err(CorrelationIdError::NotPrintable { byte: 0xc3, at: 3 })),
        ("\u{7f}".to_owned(), Err(CorrelationIdError::NotPrintable { byte: 0x7f, at: 0 })),
    ] {
        let id = text.parse::<CorrelationId>();
        assert_eq!(id.as_ref().map(CorrelationId::as_str), expected.as_ref().copied(), "{text:?}");
    }
    assert!("x".repeat(128).parse::<CorrelationId>().is_ok());
}

#[test]
fn an_error_says_what_to_send() {
    let error = "two\nlines".parse::<CorrelationId>().unwrap_err();
    assert_eq!(error.to_string(), "correlation id has byte 0x0a at 3; only printable ASCII characters are allowed");
}

proptest! {
    #[test]
    fn what_is_accepted_is_safe_to_send(text in ".{0,140}") {
        if let Ok(id) = text.parse::<CorrelationId>() {
            prop_assert!(id.as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert!((1..=128).contains(&id.as_str().len()));
            prop_assert_eq!(id.to_string().parse::<CorrelationId>(), Ok(id));
        }
    }
}
