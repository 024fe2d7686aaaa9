# SPDX-License-Identifier: Apache-2.0
i=0; while [ $i -lt 600000 ]; do i=$((i+1)); done; echo $i
