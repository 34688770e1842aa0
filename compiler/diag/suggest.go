package diag

import (
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate nearest to what was given, or "" where none is
// near enough to have been meant: at most half of its letters, and four of
// them, differ, or it is what was begun.
func Suggest(given string, candidates []string) string {
	best, least := "", 1+min(max(len(given)/2, 1), 4)
	for _, c := range candidates {
		if len(given) > 2 && strings.HasPrefix(strings.ToLower(c), strings.ToLower(given)) {
			return c
		}
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
