//! Vectors are stored as a column would store them.

use super::*;

fn encoded(row: &[f32], element: ElementType) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let path = Path::new("base.npy");
    encode(path, row, 1.0, element, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[test]
fn elements_are_encoded_or_refused() {
    assert_eq!(encoded(&[1.0], ElementType::F32), Ok(vec![0, 0, 0x80, 0x3f]));
    assert_eq!(encoded(&[1.0], ElementType::F16), Ok(vec![0, 0x3c]));
    assert_eq!(encoded(&[1.0], ElementType::Bf16), Ok(vec![0x80, 0x3f]));
    assert_eq!(encoded(&[0.0, 255.0], ElementType::U8), Ok(vec![0, 255]));
    let error = encoded(&[1.5], ElementType::U8).expect_err("no byte");
    assert!(error.contains("base.npy: 1.5 does not fit into u8"), "{error}");
}

#[test]
fn cosine_vectors_get_unit_length() {
    let path = Path::new("base.npy");
    assert_eq!(unit_scale(path, &[3.0, 4.0]).expect("not zero"), 0.2);
    let error = unit_scale(path, &[0.0, 0.0]).expect_err("zero").to_string();
    assert!(error.contains("a vector is zero"), "{error}");
}
