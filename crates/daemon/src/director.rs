//! The process for everything that can take long or hears untrusted answers: health checks, IPVS, the windows.
//!
//! It has no work of its own yet; what is here is its life: started, reloaded and ended by the supervisor. It ends when
//! the supervisor's end of the stream does. Its death leaves VRRP as it is.

use std::io;
use std::os::unix::net::UnixStream;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::frames::{FrameReader, FrameWriter, FromDirector, MAX_FRAME, ToDirector};

/// Runs until the supervisor says so, or is gone.
///
/// # Errors
/// When there is no runtime to be had, or the stream is garbage.
pub fn run(stream: UnixStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { serve(tokio::net::UnixStream::from_std(stream)?).await })
}

async fn serve(mut supervisor: tokio::net::UnixStream) -> io::Result<()> {
    let mut reader = FrameReader::default();
    let mut writer = FrameWriter::with_limit(MAX_FRAME);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let length = supervisor.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        reader.push(&chunk[..length]);
        while let Some(frame) = reader.pop().map_err(io::Error::other)? {
            let Some(answer) = answer(&frame) else { continue };
            writer.push(&answer).map_err(io::Error::other)?;
            let mut bytes = Vec::new();
            writer.write_to(&mut bytes)?;
            supervisor.write_all(&bytes).await?;
            if answer == FromDirector::Finished {
                return Ok(());
            }
        }
    }
}

fn answer(frame: &ToDirector) -> Option<FromDirector> {
    match frame {
        ToDirector::Start { .. } => Some(FromDirector::Ready),
        ToDirector::Reload { .. } => Some(FromDirector::ReloadApplied),
        ToDirector::Shutdown => Some(FromDirector::Finished),
        // Nobody here asks for one yet.
        ToDirector::RouterReport(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::frames::{Channel, Peer};

    /// The next frame of a director that runs in a thread.
    fn heard(supervisor: &mut Channel<FromDirector, ToDirector>) -> Option<FromDirector> {
        for _ in 0..500 {
            let peer = supervisor.receive().expect("reads");
            if let Some(frame) = supervisor.next().expect("frames") {
                return Some(frame);
            }
            if peer == Peer::Gone {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing for five seconds");
    }

    #[test]
    fn it_lives_by_its_frames() {
        let (mut supervisor, theirs) = Channel::pair().expect("a socket pair");
        let director = thread::spawn(move || run(theirs.into()));
        for (said, answered) in [
            (ToDirector::Start { process: Box::default() }, FromDirector::Ready),
            (ToDirector::Reload { process: Box::default() }, FromDirector::ReloadApplied),
            (ToDirector::Shutdown, FromDirector::Finished),
        ] {
            supervisor.send(&said).expect("queued");
            assert_eq!(heard(&mut supervisor), Some(answered));
        }
        director.join().expect("no panic").expect("a good end");
        assert_eq!(heard(&mut supervisor), None);
    }

    #[test]
    fn it_ends_with_the_supervisor() {
        let (supervisor, theirs) = Channel::<FromDirector, ToDirector>::pair().expect("a socket pair");
        let director = thread::spawn(move || run(theirs.into()));
        drop(supervisor);
        director.join().expect("no panic").expect("a good end");
    }
}
