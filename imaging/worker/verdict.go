package worker

// Verdict is what the broker has to do with a job's message.
type Verdict int

// The verdicts.
const (
	Ack        Verdict = iota // the message is done with; remove it
	DeadLetter                // the job failed for good; move the message to the dead-letter queue
	Leave                     // the job is not done; deliver the message again
)
