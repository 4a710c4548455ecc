//! Names and values that owners attach to sessions and events.

use crate::FieldError;
use crate::limits::{MAX_ATTRIBUTE_NAME_BYTES, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES};

/// Names and values that the runtime does not interpret. In JSON a list of pairs, as in the WIT.
pub type Attributes = Vec<(String, String)>;

/// Checks a list of attributes; `of` is `session` or `event`.
pub(crate) fn check_attributes(of: &str, attributes: &Attributes) -> Result<(), FieldError> {
    let error = |code, message: String| Err(FieldError::new(format!("{of} attributes"), code, message));
    if attributes.len() > MAX_ATTRIBUTES {
        let n = attributes.len();
        return error("too_many_attributes", format!("the {of} has {n} attributes; at most {MAX_ATTRIBUTES} are kept"));
    }
    for (name, value) in attributes {
        if !fits(name, value) {
            let shown: String = name.chars().take(MAX_ATTRIBUTE_NAME_BYTES).collect();
            return Err(FieldError::new(
                format!("{of} attribute {shown:?}"),
                "attribute_too_long",
                format!(
                    "attribute {shown:?} of the {of} is too long: a name has at most {MAX_ATTRIBUTE_NAME_BYTES} bytes, \
                     a value {MAX_ATTRIBUTE_VALUE_BYTES}"
                ),
            ));
        }
    }
    let total: usize = attributes.iter().map(size).sum();
    if total > MAX_ATTRIBUTES_BYTES {
        return error(
            "attributes_too_long",
            format!("the {of}'s attributes have {total} bytes together; at most {MAX_ATTRIBUTES_BYTES} are kept"),
        );
    }
    Ok(())
}

/// Drops the attributes that do not fit, keeps the first ones, and adds the dropped names to `dropped`.
pub(crate) fn fit_attributes(of: &str, attributes: &mut Attributes, dropped: &mut Vec<String>) {
    let (mut count, mut total) = (0, 0);
    attributes.retain(|attribute| {
        let keep = fits(&attribute.0, &attribute.1)
            && count < MAX_ATTRIBUTES
            && total + size(attribute) <= MAX_ATTRIBUTES_BYTES;
        if keep {
            count += 1;
            total += size(attribute);
        } else {
            let shown: String = attribute.0.chars().take(MAX_ATTRIBUTE_NAME_BYTES).collect();
            dropped.push(format!("{of} attribute {shown:?}"));
        }
        keep
    });
}

fn fits(name: &str, value: &str) -> bool {
    name.len() <= MAX_ATTRIBUTE_NAME_BYTES && value.len() <= MAX_ATTRIBUTE_VALUE_BYTES
}

fn size((name, value): &(String, String)) -> usize {
    name.len() + value.len()
}
