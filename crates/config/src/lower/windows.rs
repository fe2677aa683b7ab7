//! Where the daemon shows what it knows.

use std::path::PathBuf;

use super::Lowering;
use super::values::required;
use crate::model::Endpoint;
use crate::tree::Statement;

/// `metrics_listen ADDR:PORT|PATH|off`. A name is not looked up: what we listen on must not depend on who answers.
pub(super) fn metrics_listen(lowering: &mut Lowering<'_>, statement: &Statement) {
    let Some(word) = required(&mut lowering.report, statement, "an address and a port, or a path") else {
        return;
    };
    let path = PathBuf::from(&word.text);
    lowering.model.process.metrics = if word.text == "off" {
        None
    } else if path.is_absolute() {
        Some(Endpoint::Path(path))
    } else if let Ok(address) = word.text.parse() {
        Some(Endpoint::Address(address))
    } else {
        let what = format!("`{word}` is neither ADDRESS:PORT nor a path that begins with /");
        lowering.report.complain("bad-endpoint", word.span, what).because("no metrics are served");
        None
    };
}
