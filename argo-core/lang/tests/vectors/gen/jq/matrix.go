package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"vectors/emit"
)

// kinds are one value of each kind, and the corners of the kind.
const kinds = `[null,false,true,0,1,-2,3.7,-0.5,1e300,9223372036854775807,"","abc","aé😀b"," x\ty ","2015-03-05T23:51:47Z","12","[1,2]","<a&'\">",[],[0],[3,1,2],["b","a","b"],[[1,2],[3]],[{"a":1,"b":2},{"a":0}],[null,1,"x",[1],{"a":1}],{},{"a":1},{"b":[1,{"c":"x"}],"a":null},[{"key":"k","value":1},{"name":"n","value":null}]]`

var (
	names0 = "abs add all any arrays ascii_downcase ascii_upcase booleans combinations error explode first flatten floor from_entries fromdate fromjson gmtime halt implode isempty(.[]?) isfinite isinfinite isnan isnormal iterables keys last length ltrim max min mktime modf not nulls numbers objects paths recurse reverse rtrim scalars sort sqrt strings to_entries toboolean todate tojson tonumber tostream tostring transpose trim trunc type unique utf8bytelength values @text @json @html @uri @urid @csv @tsv @sh @base64 @base64d significand logb frexp ceil round fabs finites normals -. +. .[] .. .[0] .[-1] .a .[1:] .[:-1] .a? .[]? has(0) has(\"a\") tojson|fromjson [.[]?] env halt_error getpath([\"a\"]) getpath([0,\"a\"]) del(.[0]?) to_entries?|from_entries? debug"
	names1 = "contains inside indices index rindex startswith endswith ltrimstr rtrimstr trimstr split join has flatten bsearch test match capture scan splits getpath delpaths error format range nth in IN strftime strptime"
	calls  = "map(.) map(length) map_values(.+1) map_values(empty) select(.) sort_by(.) group_by(.) unique_by(length) min_by(.) max_by(.) with_entries(.value|=tostring) walk(.) walk(if type==\"number\" then .+1 else . end) paths(type==\"number\") del(.a) del(.[0,1]) del(.[]) del(..) delpaths([[0],[\"a\"]]) setpath([\"a\"];1) setpath([1];1) setpath([];1) setpath([{\"start\":1,\"end\":2}];[9]) .a=1 .[1]=9 .[-1]=9 .[1:]=[7] .[]=1 .[]|=. .[]+=1 .a//=5 .a|=empty .[0]|=empty ..=1 (..|numbers)|=.+1 first(.[]) last(.[]) limit(2;.[]) isempty(.[]) any(.>1) all(.>1) add(.[]) [limit(3;repeat(1))] reduce&.[]&as&$x&(0;.+1) foreach&.[]&as&$x&(0;.+1;[$x,.]) [foreach&.[]&as&[$a,$b]&(0;.+1;[$a,.])] .&as&[$a,{b:$b}]&?//&{a:$a}&|&[$a,$b] try&error&catch&. try&error(\"x\")&catch&. .[]?//\"d\" [.[]?|tostring] \"x\\(.)y\" @csv\"a\\(.)\" @json\"v=\\(.)\" @base64\"\\(.)\" {a:.} {(.):1} {a:.,b:.a?} [.,.] .[\"a\"] .[[1]] .[null] .[{}] .[{\"start\":0,\"end\":1}] .[1.7] .[\"a\",0]? [paths] [path(..)] [tostream] fromstream(tostream) [getpath(paths)] pick(.a) pick(.[1]) to_entries tojson ltrimstr(\"a\") splits(\"a\") ascii_downcase? test(\"a\";\"i\") [match(\"\";\"g\").offset] gsub(\"a\";\"X\") sub(\"(?<l>[a-z])\";\"<\\(.l)>\") [scan(\"[a-z]\")] @text\"\\(.)\" input_line_number $__loc__ toarray getpath(1) splits(1) skip(1;.[]) until(true;.) [while(false;.)] IN(.[]?) INDEX(.[]?;.) combinations(2) ascii implode? tojson|length halt_error(1) error(null) limit(-1;1) nth(1;.[]) add/2 truncate_stream(1;[[0],1]) [1|truncate_stream([[0],1],[[1,0],2],[[1,0]],[[1]])] if&.&then&1&end if&.[]?&then&1&elif&.&then&2&else&3&end .&and&true .&or&false [.[]?|not] label&$f|.[]?|.,break&$f [.[]?|select(.!=null)] $x break&$x"
)

// matrix runs functions over every kind of value, and operators and functions of one argument over every pair of kinds.
func matrix() {
	var all []any
	_ = json.Unmarshal([]byte(kinds), &[]any{})
	all = parse(kinds).([]any)
	emit.Shared = all
	for _, f := range append(strings.Fields(names0), strings.Fields(calls)...) {
		f = strings.ReplaceAll(f, "&", " ")
		for i := range all {
			p := fmt.Sprintf(".[%d]|%s", i, f)
			if out, err := run(p, values(all)); err != nil || smooth(out) {
				add(p, "$shared")
			}
		}
	}
	small := []int{0, 2, 4, 6, 10, 11, 13, 18, 20, 21, 24, 26}
	for _, f := range strings.Fields(names1) {
		for n, i := range small {
			for m, j := range small {
				// a part of the pairs, those of one kind among them
				if n == m || (n*5+m*3+len(f))%4 == 0 {
					add(fmt.Sprintf(".[%d] as $x|.[%d]|[limit(20;%s($x))]", j, i, f), "$shared")
				}
			}
		}
	}
	for _, op := range strings.Fields("+ - * / % == != < <= > >= //") {
		for i := range all {
			for j := range all {
				if i == j || (i*7+j*3+len(op))%11 == 0 {
					p := fmt.Sprintf(".[%d] %s .[%d]", i, op, j)
					if out, err := run(p, values(all)); err != nil || smooth(out) {
						add(p, "$shared")
					}
				}
			}
		}
	}
}
