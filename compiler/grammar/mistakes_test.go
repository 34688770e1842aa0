package grammar

import (
	"slices"
	"strings"
	"testing"

	"runspec/compiler/diag"
)

// body wraps productions into a grammar that starts with S and has terminals a and b.
func body(productions string) string {
	return "grammar \"g\" {\n  start = \"S\"\n  terminals = [\"a\", \"b\"]\n" + productions + "\n}\n"
}

// mistakes are grammars with the codes and lines that they are told.
var mistakes = []struct {
	name, text string
	want       []string
}{
	{"undefined", body(`production "S" { alternatives = ["a", ["b", "Tt"]] }`), []string{"undefined-symbol 4"}},
	{"undefined start", strings.Replace(body(`production "T" { alternatives = ["a"] }`), `"S"`, `"R"`, 1), []string{"undefined-symbol 2"}},
	{"unreachable", body("production \"S\" { alternatives = [\"a\"] }\nproduction \"T\" { alternatives = [\"b\"] }"), []string{"unreachable-symbol 5"}},
	{"unproductive", body("production \"S\" { alternatives = [\"a\", \"T\"] }\nproduction \"T\" { alternatives = [[\"b\", \"T\"]] }"), []string{"unproductive-symbol 5"}},
	{"cyclic", body(`production "S" { alternatives = ["a", ["b", "S"]] }`), []string{"cyclic-symbol 4"}},
	{"duplicate", body("production \"S\" { alternatives = [\"a\"] }\nproduction \"S\" { alternatives = [\"b\"] }"), []string{"duplicate 5"}},
	{"duplicate alternative", body("production \"S\" { alternatives = [\n\"a\", \"b\",\n\"a\"] }"), []string{"duplicate 6"}},
	{"terminal with production", body("production \"S\" { alternatives = [\"a\"] }\nproduction \"a\" { alternatives = [\"b\"] }"), []string{"duplicate 3"}},
	{"empty alternative", body(`production "S" { alternatives = ["a", []] }`), []string{"empty-alternative 4"}},
	{"no alternatives", body(`production "S" { alternatives = [] }`), []string{"empty-alternative 4"}},
	{"weights", body("production \"S\" {\nalternatives = [\"a\", \"b\"]\nweights = [0.5, 0.6]\n}"), []string{"bad-weights 6"}},
	{"too few weights", body("production \"S\" {\nalternatives = [\"a\", \"b\"]\nweights = [1]\n}"), []string{"bad-weights 6"}},
	{"default without weight", body("production \"S\" {\nalternatives = [\"a\", \"b\"]\ndefault = \"b\"\nweights = [1, 0]\n}"), []string{"bad-weights 7"}},
	{"weights and prior", body("production \"S\" {\nalternatives = [\"a\", \"b\"]\ndefault = \"a\"\nprior = \"low\"\nweights = [0.5, 0.5]\n}"), []string{"bad-weights 8"}},
	{"default", body("production \"S\" {\nalternatives = [\"a\"]\ndefault = \"b\"\n}"), []string{"default-outside 6"}},
	{"prior", body("production \"S\" {\nalternatives = [\"a\"]\nprior = \"low\"\n}"), []string{"prior-without-default 6"}},
	{"confidence", body("production \"S\" {\nalternatives = [\"a\"]\ndefault = \"a\"\nprior = \"lwo\"\n}"), []string{"not-a-choice 7"}},
	{"unbound", body("variable \"n\" {}\nproduction \"S\" { alternatives = [for i in range(n) : \"a\"] }"), []string{"unbound-variable 4"}},
	{"undeclared", body(`production "S" { alternatives = [for i in range(nn) : "a"] }`), []string{"unbound-variable 4"}},
	{"symbol", body(`production "S" { alternatives = ["a b"] }`), []string{"bad-format 4"}},
	{"number", body(`production "S" { alternatives = [1] }`), []string{"wrong-type 4"}},
	{"no list", body(`production "S" { alternatives = "a" }`), []string{"wrong-type 4"}},
	{"field", body("production \"S\" {\nalternatives = [\"a\"]\nwieghts = [1]\n}"), []string{"unknown-field 6"}},
	{"missing", body("production \"S\" {\n}"), []string{"missing-field 4"}},
	{"syntax", "grammar \"g\" {", []string{"syntax 1"}},
	{"none", "", []string{"syntax 1"}},
	{"several kinds", body("production \"S\" {\nalternatives = [\"a\", [\"b\", \"x\"]]\nweights = [1, 1]\n}"), []string{"undefined-symbol 5", "bad-weights 6"}},
	{"several", body("production \"S\" { alternatives = [\"x\", \"a\"] }\nproduction \"T\" { alternatives = [\"y\"] }\nproduction \"T\" { alternatives = [\"b\"] }"),
		[]string{"undefined-symbol 4", "unreachable-symbol 5", "undefined-symbol 5", "duplicate 6"}},
	{"all at once", "grammar \"g\" {\nvariable \"n\" {}\nstart = \"S\"\nterminals = [\"a\"]\nproduction \"S\" {\nalternatives = [[\"A\", \"q\"], [\"C\"], [\"E\"]]\nweights = [1, 1, 1]\n}\n" +
		"production \"A\" { alternatives = [[\"A\", \"a\"]] }\nproduction \"C\" { alternatives = [] }\nproduction \"E\" { alternatives = [\"a\", [\"E\", \"a\"]] }\nproduction \"Z\" { alternatives = [\"a\"] }\nproduction \"Z\" { alternatives = [\"a\"] }\n}\n",
		[]string{"unbound-variable 2", "undefined-symbol 6", "bad-weights 7", "unproductive-symbol 9", "empty-alternative 10", "cyclic-symbol 11", "unreachable-symbol 12", "duplicate 13"}},
}

func TestMistakes(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			_, ds := Read("g.hcl", []byte(m.text), nil)
			var have []string
			for _, d := range ds {
				have = append(have, string(d.Code)+" "+strings.Split(d.Range.String()+":", ":")[1])
				if d.Detail == "" || d.Summary == "" {
					t.Errorf("without a remedy: %v", d)
				}
			}
			if !slices.Equal(have, m.want) {
				t.Errorf("%v, want %v\n%v", have, m.want, ds)
			}
		})
	}
}

func TestMistakeIsShown(t *testing.T) {
	_, ds := Read("g.hcl", []byte(body(`  production "S" { alternatives = ["a", ["b", "bb"]] }`)), nil)
	var b strings.Builder
	if err := diag.Write(&b, ds, false); err != nil {
		t.Fatal(err)
	}
	want := `error: Undefined symbol [undefined-symbol]
  --> g.hcl:4:47
  |
4 |   production "S" { alternatives = ["a", ["b", "bb"]] }
  |                                               ^^^^
S yields "bb", which has no production and is no terminal. Did you mean "b"?
`
	if b.String() != want {
		t.Error(b.String())
	}
}
