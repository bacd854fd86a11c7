//! Counts answers that are long in coming: each flow is a task that waits for them.
use mnvkd::prelude::*;

struct SlowAnswers(u64);

impl FlowTask for SlowAnswers {
    type Config = ();
    type Tally = u64;
    fn new(_: &(), _: &mut Build) -> Result<Self> {
        Ok(SlowAnswers(0))
    }
    async fn converse(mut flow: Flow, shared: State<Self>) {
        while let Some(question) = flow.recv().await {
            question.consume();
            match flow.recv_timeout(Duration::from_millis(100)).await {
                Ok(answer) => answer.into_iter().for_each(Held::consume),
                Err(Elapsed) => shared.with(|slow| slow.0 += 1),
            }
        }
    }
    fn tally(self) -> u64 {
        self.0
    }
}

fn main() -> std::process::ExitCode {
    Daemon::new().register::<PerFlow<SlowAnswers>>("slow-answers").main()
}
