//! A release of a libc: `2.36`, `1.2.4`.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Two or three numbers, of which the first counts most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(pub u32, pub u32, pub u32);

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Release, String> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([first, second]) => Ok(Release(*first, *second, 0)),
            Some([first, second, third]) => Ok(Release(*first, *second, *third)),
            _ => Err("a release is two or three numbers with dots between them".to_owned()),
        }
    }
}

impl Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.0, self.1)?;
        match self.2 {
            0 => Ok(()),
            third => write!(out, ".{third}"),
        }
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_their_numbers() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        assert!(release("2.10") > release("2.9"));
        assert!(release("2.2.5") > release("2.2") && release("2.2.5") < release("2.3"));
        assert_eq!(release("2.2.5").to_string(), "2.2.5");
        assert!("2".parse::<Release>().is_err() && "2.x".parse::<Release>().is_err());
    }
}
