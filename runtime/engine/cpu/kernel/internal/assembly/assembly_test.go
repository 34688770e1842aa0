package assembly

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite simd_amd64.s")

func TestCommittedAssemblyIsSource(t *testing.T) {
	const file = "../../simd_amd64.s"
	want := Source()
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
		t.Errorf("%s is not what Source writes; run this test with -update", file)
	}
}
