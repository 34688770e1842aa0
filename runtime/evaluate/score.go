package evaluate

import (
	"encoding/json"
	"math"
)

// Score is a measured number that may be missing: NaN in memory. JSON has no
// NaN, so what is missing (or infinite) stands there as null.
type Score float64

// Missing is the Score of what was not measured.
func Missing() Score { return Score(math.NaN()) }

// Known says whether the score is there.
func (s Score) Known() bool { return !math.IsNaN(float64(s)) }

// MarshalJSON writes the number, or null.
func (s Score) MarshalJSON() ([]byte, error) {
	if !s.Known() || math.IsInf(float64(s), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(s))
}

// UnmarshalJSON reads a number, or null.
func (s *Score) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = Missing()
		return nil
	}
	return json.Unmarshal(b, (*float64)(s))
}
