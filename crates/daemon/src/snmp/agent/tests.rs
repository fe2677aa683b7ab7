//! The task against an SNMP agent made by hand, over a real socket.

use std::path::{Path, PathBuf};

use mainstay_agentx::pdu::{Binding, error};
use mainstay_agentx::{Oid, Value};
use mainstay_core::router::{Notification, NotifyObject, NotifyState};
use tokio::net::UnixListener;

use super::*;
use crate::snmp::keepalived;
use crate::snmp::tests::model;

/// How long a test may wait for what must come.
const LIMIT: Duration = Duration::from_secs(30);

fn socket(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mainstay-{test}-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// What CONFIG of the other tests says, with the agent at this socket.
fn shown(socket: &Path) -> Arc<Model> {
    let mut model = model();
    model.snmp.socket = Some(format!("unix:{}", socket.display()));
    Arc::new(model)
}

/// The SNMP agent: somebody has connected, opened a session and registered its four subtrees.
async fn session_of(listener: &UnixListener) -> Connection {
    let (stream, _) = timeout(LIMIT, listener.accept()).await.expect("in time").expect("somebody");
    let mut master = Connection::of_test(stream);
    let open = next(&mut master).await;
    assert!(matches!(open.body, Body::Open { .. }), "{open:?}");
    agree(&mut master, &open).await;
    for _ in 0..4 {
        let registration = next(&mut master).await;
        assert!(matches!(registration.body, Body::Register { .. }), "{registration:?}");
        agree(&mut master, &registration).await;
    }
    master
}

async fn next(master: &mut Connection) -> Pdu {
    timeout(LIMIT, master.next()).await.expect("in time").expect("a message")
}

async fn agree(master: &mut Connection, to: &Pdu) {
    let body = Body::Response { uptime: 100, error: error::NONE, index: 0, bindings: Vec::new() };
    let reply = Pdu { session: 5, body, ..to.clone() };
    master.write(&mainstay_agentx::pdu::emit(&reply)).await.expect("it is read");
}

/// Asks for the router's id while the rest of the daemon answers.
async fn asked(master: &mut Connection, agent: &mut Agent) -> Vec<Binding> {
    let name = Oid::new(&keepalived::name(&[1, 2, 0]));
    let question = Pdu { session: 5, transaction: 1, packet: 9, context: None, body: Body::Get(vec![name]) };
    master.write(&mainstay_agentx::pdu::emit(&question)).await.expect("it is read");
    let answer = async {
        let wish = agent.wish().await;
        wish.send(RouterSide::default()).expect("somebody waits");
        next(master).await
    };
    match timeout(LIMIT, answer).await.expect("in time").body {
        Body::Response { error: error::NONE, bindings, .. } => bindings,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_agent_that_goes_away_is_looked_for_until_it_is_back() {
    let socket = socket("snmp-again");
    // Nobody listens yet.
    let mut agent = Agent::start(shown(&socket));
    sleep(Duration::from_millis(50)).await;
    let listener = UnixListener::bind(&socket).expect("a socket");
    let mut master = session_of(&listener).await;
    assert_eq!(asked(&mut master, &mut agent).await[0].value, Value::text("LB1"));
    drop(master);
    let mut master = session_of(&listener).await;
    // Older than what may be answered from memory.
    sleep(FRESH).await;
    assert_eq!(asked(&mut master, &mut agent).await[0].value, Value::text("LB1"));
    std::fs::remove_file(&socket).expect("removes");
}

#[tokio::test]
async fn what_happened_before_the_end_is_told() {
    let socket = socket("snmp-end");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let mut agent = Agent::start(shown(&socket));
    let mut master = session_of(&listener).await;
    let object = NotifyObject::Instance("VI_1".into());
    agent.changed(Change::State(Notification { object, state: NotifyState::Stop, priority: 0 }));
    let (told, ()) = tokio::join!(next(&mut master), agent.finish());
    let Body::Notify(bindings) = told.body else { panic!("{told:?}") };
    assert_eq!(bindings[2].value, Value::Integer(5), "shutdown");
    assert!(matches!(next(&mut master).await.body, Body::Close(_)));
    std::fs::remove_file(&socket).expect("removes");
}

#[tokio::test]
async fn a_flood_of_changes_that_nobody_takes_is_cut_off() {
    let socket = socket("snmp-flood");
    let mut agent = Agent::start(shown(&socket));
    let object = NotifyObject::Instance("VI_1".into());
    for _ in 0..3 * MOST_CHANGES {
        let state = NotifyState::Master;
        agent.changed(Change::State(Notification { object: object.clone(), state, priority: 100 }));
    }
    assert!(agent.dropped >= 2 * MOST_CHANGES as u64, "{}", agent.dropped);
}
