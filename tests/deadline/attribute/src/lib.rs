//! `#[test]` with a deadline, for tests without a runtime: threads that wait for each other. See `deadline`.
//!
//! A test program has two lines at its root, and every plain `#[test]` in it is covered:
//!
//!     #[macro_use]
//!     extern crate deadline_attribute;
//!
//! An attribute that is imported so stands before std's in the search for a name.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// std's `#[test]`, watched by `deadline::watch` from its begin to its end.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    assert!(arguments.is_empty(), "`#[test]` takes no arguments");
    let mut test: TokenStream = parsed("#[::core::prelude::v1::test]");
    let mut rest: Vec<TokenTree> = item.into_iter().collect();
    // A function ends with its body.
    if let Some(TokenTree::Group(body)) = rest.pop() {
        let mut watched = parsed("let _watch = ::deadline::watch();");
        watched.extend([TokenTree::Group(body)]);
        rest.push(TokenTree::Group(Group::new(Delimiter::Brace, watched)));
    }
    test.extend(rest);
    test
}

fn parsed(text: &str) -> TokenStream {
    text.parse().expect("it is Rust")
}
