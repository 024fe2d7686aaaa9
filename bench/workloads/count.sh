# SPDX-License-Identifier: Apache-2.0
i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo $i
