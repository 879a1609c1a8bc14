# SPDX-License-Identifier: MIT
# bash completion of aio-cat

_aio_cat()
{
	local cur prev words cword
	if declare -F _init_completion >/dev/null; then
		_init_completion -s || return
	else
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
		if [[ $cur == '=' ]]; then
			cur=
		elif [[ $prev == '=' ]]; then
			prev=${COMP_WORDS[COMP_CWORD - 2]}
		fi
	fi
	case $prev in
	--engine)
		COMPREPLY=($(compgen -W 'uring sync' -- "$cur"))
		return
		;;
	--stats)
		COMPREPLY=($(compgen -W 'json' -- "$cur"))
		return
		;;
	--range | --retry | --jobs | -j)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W '-A -b -e -E -n -s -t -T -u -v -j -o --show-all --number-nonblank --show-ends
			--number --squeeze-blank --show-tabs --show-nonprinting --files0-from= --range= --jobs= --direct
			--nocache --retry --engine= --output= --fsync --progress --stats --help --version' -- "$cur"))
		[[ ${COMPREPLY-} == *= ]] && compopt -o nospace
		return
	fi
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -f -- "$cur"))
}

complete -F _aio_cat aio-cat
