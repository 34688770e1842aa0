package kernel

import (
	"flag"
	"os"
	"testing"

	"runspec/runtime/engine/cpu/kernel/internal/assembly"
)

var update = flag.Bool("update", false, "rewrite simd_amd64.s")

func TestAssemblyIsWhatItsSourceWrites(t *testing.T) {
	const file = "simd_amd64.s"
	want := assembly.Source()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what internal/assembly writes; run the test with -update", file)
	}
}
