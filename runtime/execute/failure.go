package execute

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// LogFile is the name of a worker's log in its job's directory.
const LogFile = logFile

// ReadFailure reads why the job of a directory failed, in its worker's words.
// The error is os.ErrNotExist where it did not, or its worker had no time to tell.
func ReadFailure(dir string) (Failure, error) {
	var f Failure
	text, err := os.ReadFile(filepath.Join(dir, failureFile))
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}
