//! The control socket: a Unix stream socket on which questions are asked and answered ([`mainstay_control`]).
//!
//! Each conversation is a task with a time limit, and only a few run at once: whoever connects and says nothing keeps
//! nobody else from asking for long, and nothing of it reaches the loop but whole questions.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstay_control::frame::{self, LENGTH, LONGEST_REPLY, LONGEST_REQUEST};
use mainstay_control::{Question, Reply, Request, VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Semaphore, oneshot};

/// Conversations at once.
const AT_ONCE: usize = 16;

/// How long a conversation may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Who may speak: root, and the group of the file.
const MODE: u32 = 0o660;

/// A question and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// Dropped when the client does not wait any more.
    pub answer: oneshot::Sender<Reply>,
}

/// The socket.
#[derive(Debug)]
pub struct Window {
    questions: Receiver<Asked>,
    path: PathBuf,
}

impl Window {
    /// Opens the socket. One that a former director left is replaced: the supervisor's pid file, beside which it is, lets
    /// only one daemon use it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(MODE))?;
        let (asker, questions) = channel(AT_ONCE);
        tokio::spawn(listen(listener, asker));
        Ok(Self { questions, path })
    }

    /// The next question. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Asked {
        match self.questions.recv().await {
            Some(asked) => asked,
            // The listening task has ended.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn listen(listener: UnixListener, asker: Sender<Asked>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let asker = asker.clone();
                tokio::spawn(async move {
                    if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, converse(stream, asker)).await {
                        tracing::debug!("control socket: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!("control socket: {error}");
                // No descriptors, say: they come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, asker: Sender<Asked>) -> io::Result<()> {
    let reply = match hear(&mut stream).await {
        Ok(Request { version: VERSION, question }) => answered(question, &asker).await,
        Ok(Request { version, .. }) => {
            Reply::Refused(format!("you speak version {version} of the control protocol, I speak {VERSION}"))
        }
        Err(error) => Reply::Refused(error.to_string()),
    };
    let bytes = frame::encode(&reply, LONGEST_REPLY).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

async fn hear(stream: &mut UnixStream) -> Result<Request, frame::FrameError> {
    let mut head = [0; LENGTH];
    stream.read_exact(&mut head).await?;
    let mut bytes = vec![0; frame::length(head, LONGEST_REQUEST)?];
    stream.read_exact(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

async fn answered(question: Question, asker: &Sender<Asked>) -> Reply {
    let (answer, coming) = oneshot::channel();
    if asker.send(Asked { question, answer }).await.is_err() {
        return Reply::Refused("the daemon is ending".into());
    }
    coming.await.unwrap_or_else(|_| Reply::Refused("the daemon is ending".into()))
}
