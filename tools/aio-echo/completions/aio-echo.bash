# SPDX-License-Identifier: MIT
# bash completion of aio-echo

_aio_echo()
{
	local cur prev words cword
	if declare -F _init_completion >/dev/null; then
		_init_completion -s || return
	else
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cword=$COMP_CWORD words=("${COMP_WORDS[@]}")
		if [[ $cur == '=' ]]; then
			cur=
		elif [[ $prev == '=' ]]; then
			prev=${COMP_WORDS[COMP_CWORD - 2]}
		fi
	fi
	if ((cword == 1)); then
		COMPREPLY=($(compgen -W 'serve load --help --version' -- "$cur"))
		return
	fi
	case $prev in
	-m | --max | --drain | -c | --connections | -s | --size | -d | --depth | -t | --time | -n | --count | -r | --rate | \
		-w | --warm-up)
		return
		;;
	esac
	if [[ $cur == -* && ${words[1]} == serve ]]; then
		COMPREPLY=($(compgen -W '-m -u --max= --drain= --udp --help --version' -- "$cur"))
	elif [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W '-c -s -d -t -n -r -w -u --connections= --size= --depth= --time= --count= --rate=
			--warm-up= --udp --json --help --version' -- "$cur"))
	else
		compopt -o filenames 2>/dev/null
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
	[[ ${COMPREPLY-} == *= ]] && compopt -o nospace 2>/dev/null
	return 0
}

complete -F _aio_echo aio-echo
