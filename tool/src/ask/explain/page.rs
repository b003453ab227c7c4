use anyhow::Result;
pub fn page(_: &super::Explained) -> Result<String> {
    Ok(String::new())
}
