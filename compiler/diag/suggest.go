package diag

import (
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate nearest to what was given, or "" where none is
// near enough to have been meant: at most a third of its letters differ.
func Suggest(given string, candidates []string) string {
	best, least := "", 1+max(len(given), 3)/3
	for _, c := range candidates {
		d := levenshtein.Distance(strings.ToLower(given), strings.ToLower(c), nil)
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// DidYouMean is a sentence with the suggestion, or "".
func DidYouMean(given string, candidates []string) string {
	if s := Suggest(given, candidates); s != "" && s != given {
		return "Did you mean \"" + s + "\"?"
	}
	return ""
}
