package token

import "strings"

// Admin is the scope that covers all others.
const Admin = "admin"

// Covers tells whether scopes allow what needs one: admin allows all, and x:write allows x:read, because who may write a thing
// sees it in the answer.
func Covers[S ~string](have []S, need S) bool {
	writes := S("")
	if area, ok := strings.CutSuffix(string(need), ":read"); ok {
		writes = S(area + ":write")
	}
	for _, s := range have {
		if s == Admin || s == need || (writes != "" && s == writes) {
			return true
		}
	}
	return false
}
