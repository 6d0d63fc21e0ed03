# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for pagewalk. tests/cli/check-docs.py compares it with the option tables.

_pagewalk_options() {
	case $1 in
	doctor) echo '--json --output --columns --noheadings --color --help -j -o -n -h' ;;
	info)
		echo '--hash --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --columns --noheadings --color --help
			-s -j -o -n -h'
		;;
	ps) echo '--source --ranges --frozen --root --page-offset --btf --stop --sort --json --output --columns --noheadings --color --help -s -j -o -n -h' ;;
	translate | vtop)
		echo '--brief --why --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --columns --bytes --noheadings --color --help
			-B -w -s -j -o -b -n -h'
		;;
	dump)
		echo '--phys --exact --entries --tree --filter --all --cgroup --user --kernel --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --columns --bytes
			--noheadings --color --help -p -x -e -t -f -a -u -k -s -j -o -b -n -h'
		;;
	vmas)
		echo '--all --cgroup --sort --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --columns --bytes --noheadings --color --help
			-a -s -j -o -b -n -h'
		;;
	rmap)
		echo '--user --kernel --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --columns --bytes --noheadings --color --help
			-u -k -s -j -o -b -n -h'
		;;
	stats)
		echo '--all --cgroup --filter --sort --watch --count --pages --top --user --kernel --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --columns
			--bytes --noheadings --color --help -a -f -w -c -t -u -k -s -j -o -b -n -h'
		;;
	audit)
		echo '--all --cgroup --fail-on --baseline --write-baseline --exact --filter --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output
			--columns --bytes --noheadings --color --help -a -x -f -s -j -o -b -n -h'
		;;
	snapshot)
		echo '--all --cgroup --output --user --kernel --source --paging --ranges --frozen --root --page-offset --btf --stop --json --bytes --help
			-a -o -u -k -s -j -b -h'
		;;
	diff)
		echo '--interval --count --exact --filter --user --kernel --source --json --output --columns --bytes --noheadings --color --help
			-i -c -x -f -u -k -s -j -o -b -n -h'
		;;
	decode)
		echo '--level --kernel --maxphyaddr --dialect --paging --json --output --columns --bytes --noheadings --color
			--help -l -k -j -o -b -n -h'
		;;
	mem)
		echo '--width --count --raw --input --verify --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --noheadings --color --help
			-w -c -r -i -s -j -o -n -h'
		;;
	cpu) echo '--depth --user --kernel --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --help -d -u -k -s -j -o -h' ;;
	dev_mem) echo '--width --source --json --output --noheadings --color --help -w -s -j -o -n -h' ;;
	kalloc)
		echo '--source --json --output --columns --bytes --noheadings --color --help -s -j -o -b -n -h'
		;;
	pagetables)
		echo '--no-kernel --no-user --stats --max-level --source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --columns --bytes --noheadings
			--color --help -s -j -o -b -n -h'
		;;
	alloc)
		echo '--block --memory --huge --thp --lock --keep --source --json --output --noheadings --help
			-b -m -k -s -j -o -n -h'
		;;
	layout) echo '--source --ranges --frozen --root --page-offset --btf --stop --json --output --columns --bytes --noheadings --color --help -s -j -o -b -n -h' ;;
	va2pa) echo '--source --paging --ranges --frozen --root --page-offset --btf --stop --json --output --help -s -j -o -h' ;;
	pagemap_dump) echo '--json --output --noheadings --help -j -o -n -h' ;;
	esac
}

_pagewalk_columns() {
	case $1 in
	doctor) echo 'source state gives why' ;;
	info) echo 'fact value sure how' ;;
	ps) echo 'pid root name kind' ;;
	translate | vtop) echo 'va pa size perm verdict name' ;;
	dump) echo 'range size perm pages accessed dirty phys name va end kind level pagesize pa bits vma path' ;;
	vmas) echo 'range vma size 4k 2m 1g swap tables name mapped protnone path offset inode' ;;
	rmap) echo 'frames maps target va page perm name level slot kernel flags' ;;
	stats) echo 'pid mapped 2m 1g swap tables share fill tlb merged thp name 4k protnone accessed dirty blocks vmpte' ;;
	audit) echo 'level rule target at size pieces perm vma name pages end pa raw path known why' ;;
	diff) echo 'range size change pages pieces before after name va end pa-before pa-after path' ;;
	decode) echo 'level kind pa size own bits' ;;
	kalloc) echo 'va pa level raw api cpu' ;;
	pagetables) echo 'index pa flags va level slot raw kind size perm' ;;
	layout) echo 'range size 4k 2m 1g tables name mapped kind found' ;;
	esac
}

_pagewalk_values() {
	case $2 in
	-s | --source)
		echo 'auto kmod bpf kcore pagemap'
		[ "$1" != pagetables ] || echo debugfs
		;;
	--paging) echo '4 5' ;;
	--fail-on) echo 'info low medium high never' ;;
	-b | --block) [ "$1" != alloc ] || echo '4K 1G' ;;
	-w | --width) echo '1 2 4 8' ;;
	--color) echo 'auto always never' ;;
	-l | --level | --max-level) echo 'pgd p4d pud pmd pte' ;;
	--dialect) echo 'recent none soft-dirty uffd-wp devmap57 devmap58 saved-dirty noptishadow kernel-4k' ;;
	--columns) _pagewalk_columns "$1" ;;
	--sort)
		case $1 in
		ps) echo 'pid name root' ;;
		vmas) echo 'range size mapped swap tables name' ;;
		stats) echo 'pid mapped swap tables share tlb name' ;;
		esac
		;;
	esac
}

# PIDs, and the words that a target can be.
_pagewalk_targets() {
	local p
	printf '%s\n' self kernel
	for p in /proc/[0-9]*; do
		printf '%s\n' "${p#/proc/}"
	done
}

_pagewalk() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd=${COMP_WORDS[1]-} before=
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'doctor info ps translate vtop dump vmas rmap stats audit snapshot diff decode mem kalloc alloc layout
			pagetables cpu va2pa pagemap_dump dev_mem --help --version' -- "$cur")
		return
	fi
	case $prev in
	-i | --interval | --watch)
		[ "$prev" = -i ] && [ "$cmd" != diff ] || return
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-o | --output | --input | --baseline | --write-baseline)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--columns | --dialect)
		case $cur in *,*) before=${cur%,*}, ;; esac
		mapfile -t COMPREPLY < <(compgen -P "$before" -W "$(_pagewalk_values "$cmd" "$prev")" -- "${cur##*,}")
		compopt -o nospace 2>/dev/null
		return
		;;
	-s | --source)
		mapfile -t COMPREPLY < <(compgen -W "$(_pagewalk_values "$cmd" "$prev")" -- "$cur"; compgen -f -- "$cur")
		return
		;;
	--paging | --color | --sort | --fail-on | -l | --level | --max-level | -w | --width)
		mapfile -t COMPREPLY < <(compgen -W "$(_pagewalk_values "$cmd" "$prev")" -- "$cur")
		return
		;;
	-b | --block)
		if [ "$cmd" = alloc ]; then
			mapfile -t COMPREPLY < <(compgen -W '4K 1G' -- "$cur")
			return
		fi
		;;
	--maxphyaddr | -c | --count | --top | -d | --depth | -m | --memory) return ;;
	esac
	case $cur in
	-*) mapfile -t COMPREPLY < <(compgen -W "$(_pagewalk_options "$cmd")" -- "$cur") ;;
	*)
		case $cmd in
		mem | kalloc)
			local words='read write'
			[ "$cmd" = mem ] || words='kmalloc vmalloc vmalloc-huge pages percpu'
			[ "$COMP_CWORD" -eq 2 ] || words=$(_pagewalk_targets)
			mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
			;;
		diff) mapfile -t COMPREPLY < <(compgen -W "$(_pagewalk_targets)" -- "$cur"; compgen -f -- "$cur") ;;
		translate | vtop | dump | vmas | rmap | stats | audit | snapshot | pagetables | cpu | va2pa | pagemap_dump)
			mapfile -t COMPREPLY < <(compgen -W "$(_pagewalk_targets)" -- "$cur")
			;;
		esac
		;;
	esac
}

complete -F _pagewalk pagewalk
