package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Fold is one of nnU-Net's splits of a data set: a number from 0, or All.
type Fold int

// All is nnU-Net's fold "all": every case is trained on, and every case is
// validated on, so its scores are those of seen cases.
const All Fold = -1

const all = "all"

// String gives the number, or "all".
func (f Fold) String() string {
	if f == All {
		return all
	}
	return strconv.Itoa(int(f))
}

// ParseFold reads what String gives.
func ParseFold(text string) (Fold, error) {
	if text == all {
		return All, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("there is no fold %q: give a number from 0, or %q", text, all)
	}
	return Fold(n), nil
}

// MarshalJSON writes the number, or "all".
func (f Fold) MarshalJSON() ([]byte, error) {
	if f == All {
		return json.Marshal(all)
	}
	return json.Marshal(int(f))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fold) UnmarshalJSON(text []byte) error {
	if string(text) == `"`+all+`"` {
		*f = All
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 {
		return fmt.Errorf("fold %s: it is a number from 0, or %q", text, all)
	}
	*f = Fold(n)
	return nil
}
