package dataset

import (
	"os"
	"testing"

	"runspec/runtime/internal/golden"
)

// The recorded splits are all compared with; a fingerprint's and a case's lie beside
// those of package volume.
func TestMain(m *testing.M) { os.Exit(golden.Complete(m, "splits")) }
