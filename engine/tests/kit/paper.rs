//! The desk's activities outside: slips of paper.

use makegood::{Activity, ActivityResult, Attempt, Outside, ReadOnly, RetryPolicy, Undoes};

use crate::desk::Request;
use crate::printer::ask;

/// Prints the slip that holds the book's place. The printer knows its key.
pub struct PrintSlip(pub String);

impl Activity for PrintSlip {
    const NAME: &'static str = "print_slip";
    type Kind = Outside;
    type Input = Request;
    type Output = String;

    async fn run(&self, attempt: &mut Attempt, request: Request) -> ActivityResult<String> {
        let key = attempt.idempotency_key.clone();
        ask(&self.0, &format!("print {key} {} for {}", request.title, request.reader)).await?;
        Ok(key)
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::attempts(4)
    }
}

/// Voids the slip, printed or not.
pub struct VoidSlip(pub String);

impl Activity for VoidSlip {
    const NAME: &'static str = "void_slip";
    type Kind = Outside;
    type Input = Undoes<PrintSlip>;
    type Output = ();

    async fn run(&self, _: &mut Attempt, printed: Undoes<PrintSlip>) -> ActivityResult<()> {
        ask(&self.0, &format!("void {}", printed.idempotency_key)).await
    }
}

/// Prints words for a reader.
pub struct PrintLetter(pub String);

impl Activity for PrintLetter {
    const NAME: &'static str = "print_letter";
    type Kind = Outside;
    type Input = String;
    type Output = ();

    async fn run(&self, attempt: &mut Attempt, words: String) -> ActivityResult<()> {
        ask(&self.0, &format!("print {} {words}", attempt.idempotency_key)).await
    }
}

/// Looks whether there is paper.
pub struct LookForPaper(pub String);

impl Activity for LookForPaper {
    const NAME: &'static str = "look_for_paper";
    type Kind = ReadOnly;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<()> {
        ask(&self.0, "paper").await
    }
}
