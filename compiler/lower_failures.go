package compiler

import (
	"time"

	"runspec/compiler/diag"
	"runspec/compiler/plan"
)

func (l *lowering) limits(n node) plan.Limits {
	return plan.Limits{Timeout: l.seconds(n.field("timeout")), Memory: l.bytes(n.field("memory"))}
}

func (l *lowering) failures(n node) plan.Failures {
	var f plan.Failures
	if limit, ok := n.field("max").int(); ok {
		f.Max = &limit
	}
	for _, c := range plan.Causes {
		*f.To(c) = l.reaction(n.field(string(c)))
	}
	return f
}

func (l *lowering) reaction(n node) plan.Reaction {
	var r plan.Reaction
	action, _ := n.field("action").text()
	r.Action = plan.Action(action)
	if r.Action == plan.Retry {
		r.Retries, _ = n.field("retries").int()
		r.Backoff = l.seconds(n.field("backoff"))
	}
	if n.field("retries").set() && r.Action != plan.Retry && r.Action != "" {
		l.add(n.field("retries"), diag.Conflict, "Retries without retrying",
			"The action is %q, so nothing is tried again. Write action: \"retry\", or drop retries.", action)
	}
	return r
}

// seconds reads a duration; 0 where there is none.
func (l *lowering) seconds(n node) float64 {
	text, ok := n.text()
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		l.add(n, diag.OutOfBounds, "Duration out of bounds", "%s is no duration that can be counted. Write one such as \"90s\" or \"2h\".", text)
	}
	return d.Seconds()
}

// bytes reads an amount of memory; 0 where there is none.
func (l *lowering) bytes(n node) int {
	text, ok := n.text()
	if !ok {
		return 0
	}
	b, err := plan.ParseSize(text)
	if err != nil {
		l.add(n, diag.OutOfBounds, "Amount of memory out of bounds", "%s is no amount that can be counted. Write one such as \"800MB\" or \"12GiB\".", text)
	}
	return b
}
