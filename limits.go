package main

import (
	"fmt"
	"time"

	"runspec/compiler/plan"
)

// seconds is a flag for a duration, size one for an amount of memory; both
// must be positive.
type (
	seconds float64
	size    int
)

func (s *seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no duration; write one such as 90s or 2h", text)
	}
	*s = seconds(d.Seconds())
	return nil
}

func (s *seconds) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(float64(*s) * float64(time.Second)).String()
}

func (s *seconds) Type() string { return "duration" }

func (b *size) Set(text string) error {
	n, err := plan.ParseSize(text)
	*b = size(n)
	return err
}

func (b *size) String() string {
	if *b == 0 {
		return ""
	}
	return fmt.Sprint(int(*b))
}

func (b *size) Type() string { return "size" }
