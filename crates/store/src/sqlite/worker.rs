//! A thread that owns a database connection and answers one job after the other.
//!
//! sqlite calls block (a commit waits for the disk), so they must not run on a thread of the async runtime. The queue
//! is bounded: a caller waits for a place in it.

use crate::{Result, StoreError};
use std::io;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// How many jobs may wait; beyond it callers wait to hand theirs in.
const QUEUE_LENGTH: usize = 64;

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// The caller's side. Dropping it ends the thread after the jobs that were handed in, and waits for it.
#[derive(Debug)]
pub(super) struct Worker<T> {
    jobs: Option<mpsc::Sender<Job<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Worker<T> {
    /// Starts the thread, which owns `subject` from now on.
    pub(super) fn start(name: &str, mut subject: T) -> io::Result<Worker<T>> {
        let (jobs, mut queue) = mpsc::channel::<Job<T>>(QUEUE_LENGTH);
        let serve = move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut subject);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(serve)?;
        Ok(Worker { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `job` on the thread. It runs even if the caller stops waiting for the answer.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |subject: &mut T| {
            // Nobody waits any more: the job is done all the same.
            let _ = answer.send(job(subject));
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // An error is the panic of a job, which its caller has seen as a closed store.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;

    #[tokio::test]
    async fn jobs_run_in_order_and_those_given_up_run_before_the_end() {
        let worker = Worker::start("test", Vec::new()).unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let (seen, mut last) = mpsc::channel(1);
        let blocked = worker.run(move |list| {
            list.push("first");
            gate.recv().map_err(|_| StoreError::Closed)
        });
        let waiting = worker.run(move |list| {
            list.push("second");
            seen.blocking_send(list.clone()).map_err(|_| StoreError::Closed)
        });
        // Both are handed in at their first poll, and given up after it: neither can be answered yet.
        for given_up in [Box::pin(blocked) as Pin<Box<dyn Future<Output = _>>>, Box::pin(waiting)] {
            tokio::select! { biased; _ = given_up => unreachable!(), () = std::future::ready(()) => {} }
        }
        open.send(()).unwrap();
        drop(worker);
        assert_eq!(last.recv().await, Some(vec!["first", "second"]));
    }

    #[tokio::test]
    async fn a_job_that_panics_is_a_closed_store_and_no_panic_of_the_caller() {
        let worker = Worker::start("test", ()).unwrap();
        let answer: Result<()> = worker.run(|()| panic!("in a job")).await;
        assert!(matches!(answer, Err(StoreError::Closed)));
        assert!(matches!(worker.run(|()| Ok(())).await, Err(StoreError::Closed)));
    }
}
