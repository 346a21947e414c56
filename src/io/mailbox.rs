//! Mail to one core: a bounded queue and the core's bell.

use crossbeam_channel::TrySendError;

use crate::io::Bell;

/// The putting end; any thread, any number of copies.
#[derive(Debug)]
pub struct Sender<T> {
    queue: crossbeam_channel::Sender<T>,
    bell: Bell,
}

/// The taking end; the core's.
#[derive(Debug)]
pub struct Receiver<T> {
    queue: crossbeam_channel::Receiver<T>,
}

/// Mail for the core that listens to `bell`; at most `capacity` letters wait.
pub fn mailbox<T: Send>(capacity: usize, bell: &Bell) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    (Sender { queue: sender, bell: bell.clone() }, Receiver { queue: receiver })
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender { queue: self.queue.clone(), bell: self.bell.clone() }
    }
}

impl<T: Send> Sender<T> {
    /// Never blocks. The letter comes back when the box is full or its core is gone.
    pub fn try_send(&self, letter: T) -> Result<(), T> {
        match self.queue.try_send(letter) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(letter) | TrySendError::Disconnected(letter)) => Err(letter),
        }
    }
}

impl<T: Send> Receiver<T> {
    /// The oldest letter, or `None` when there is none now. After `Completion::Bell`, take until `None`.
    pub fn try_recv(&self) -> Option<T> {
        self.queue.try_recv().ok()
    }
}
