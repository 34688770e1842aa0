package execute

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Names of files in a job's directory: its worker's log, the job itself, its result.
const (
	LogFile    = logFile
	JobFile    = jobFile
	ResultFile = resultFile
)

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
