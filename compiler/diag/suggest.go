package diag

import (
	"slices"
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

// Slip says whether what was given is a misspelling of what was meant, as far as
// letters tell: it is what was begun, or of four letters and more, which are the
// same in another order, or of which at most two in five differ.
func Slip(given, meant string) bool {
	given, meant = strings.ToLower(given), strings.ToLower(meant)
	if given != "" && strings.HasPrefix(meant, given) {
		return true
	}
	return len(given) > 3 && (letters(given) == letters(meant) || 5*levenshtein.Distance(given, meant, nil) <= 2*len(given))
}

// letters are a word's, in their order.
func letters(word string) string {
	sorted := []rune(word)
	slices.Sort(sorted)
	return string(sorted)
}

// DidYouMean is a sentence with the suggestion, or "".
func DidYouMean(given string, candidates []string) string {
	if s := Suggest(given, candidates); s != "" && s != given {
		return "Did you mean \"" + s + "\"?"
	}
	return ""
}
