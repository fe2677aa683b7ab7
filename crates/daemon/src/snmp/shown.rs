//! What of the configuration the director gets to see for SNMP.

use mainstay_config::Model;
use mainstay_core::router::plan::Authentication;

/// The configuration for the director, if anything is to be told by SNMP: without keys and passwords, which nobody is told,
/// and without what the director has anyway.
#[must_use]
pub fn shown(model: &Model) -> Option<Box<Model>> {
    if !model.snmp.is_wanted() {
        return None;
    }
    let mut shown = model.clone();
    shown.director = Default::default();
    shown.director.settings = model.director.settings.clone();
    shown.check_commands.clear();
    if let Some(mail) = &mut shown.mail {
        mail.login = None;
    }
    shown.router.heartbeats.key.clear();
    for instance in &mut shown.router.instances {
        match &mut instance.authentication {
            Authentication::None => {}
            Authentication::Pass(password) | Authentication::Ah(password) => *password = [0; 8].into(),
        }
    }
    Some(Box::new(shown))
}

#[cfg(test)]
mod tests {
    use mainstay_config::model::MailLogin;

    use super::*;
    use crate::snmp::tests::model;

    #[test]
    fn no_password_leaves_the_supervisor() {
        let mut model = model();
        model.router.heartbeats.key = b"secret".to_vec();
        if let Some(mail) = &mut model.mail {
            mail.login = Some(MailLogin { user: "u".into(), password: "secret".into() });
        }
        let shown = shown(&model).expect("something is told");
        assert_eq!(shown.mail.and_then(|mail| mail.login), None);
        assert!(shown.router.heartbeats.key.is_empty());
        assert_eq!(shown.router.instances[0].authentication, Authentication::Pass([0; 8].into()));
        model.snmp = Default::default();
        assert!(super::shown(&model).is_none(), "nobody is told anything");
    }
}
